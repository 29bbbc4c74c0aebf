//! [`AddressPolicy`]: which addresses a base URL may lead to.
//!
//! A base URL that a tenant gives must not become a way into the server's own network. It is checked twice: an address
//! written into the URL when the transport is set up (`url` has normalised its decimal, hexadecimal and octal spellings
//! by then), and every address that a name stands for when a connection is made. The second check filters the very
//! answers that are connected to, so a name that changes its mind in between gains nothing. Redirects are not followed
//! by any transport.
//!
//! The ranges are those of the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and what updates
//! it). A network with a NAT64 prefix of its own (RFC 6052) in the global range must keep its translator from private
//! addresses by itself: such a prefix cannot be told from any other.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::transport::BuildError;

/// Which addresses a base URL may lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Any: for base URLs of the operator, who may well mean a server on loopback.
    #[default]
    Any,
    /// Public ones only: for base URLs of tenants. Refused are loopback, private, link-local (with the metadata servers
    /// of clouds), shared, multicast, reserved and documentation addresses, also where an IPv6 address embeds them.
    Public,
}

/// A name that has addresses, but none that it may be reached at.
#[derive(Debug, thiserror::Error)]
#[error("`{host}` has no public address")]
pub(crate) struct NoPublicAddress {
    host: String,
}

/// Refuses a base URL whose host can be judged without asking anybody.
///
/// # Errors
/// [`BuildError::Address`] for an address that is not public, and for `localhost`.
pub(crate) fn check_host(base: &Url) -> Result<(), BuildError> {
    let is_allowed = match base.host() {
        Some(Host::Ipv4(address)) => is_public_v4(address),
        Some(Host::Ipv6(address)) => is_public_v6(address),
        Some(Host::Domain(name)) => !is_localhost(name),
        None => false,
    };
    if is_allowed {
        return Ok(());
    }
    Err(BuildError::Address { host: base.host_str().unwrap_or_default().to_owned() })
}

/// RFC 6761: these names mean this machine, whatever a resolver says.
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

/// Gives the public addresses among those that another resolver finds.
pub(crate) struct PublicAddresses {
    names: Arc<dyn Resolve>,
    /// The operator's proxy, which may be anywhere.
    proxy: Option<String>,
}

impl PublicAddresses {
    /// Filters what `names` answers, except for the host of the operator's own proxy.
    pub(crate) fn new(names: Arc<dyn Resolve>, proxy: Option<String>) -> Self {
        Self { names, proxy }
    }
}

impl fmt::Debug for PublicAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicAddresses").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let is_proxy = self.proxy.as_ref().is_some_and(|proxy| proxy.eq_ignore_ascii_case(&host));
        let answer = self.names.resolve(name);
        if is_proxy {
            return answer;
        }
        Box::pin(async move {
            let public: Vec<SocketAddr> =
                answer.await?.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NoPublicAddress { host }.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// The names that this machine knows: its hosts file and its DNS servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 is replaced by the URL's.
            let addresses: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// First address and length of the prefix of what IPv4 sets apart.
const NOT_PUBLIC_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared by carriers (Alibaba's metadata server)
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's host, reachable from each of its machines
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, metadata servers
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // IETF protocols (Oracle's metadata server)
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // relays of 6to4, withdrawn
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, broadcast
];

/// The same for what IPv6 sets apart within 2000::/3; nothing outside of that is public.
const NOT_PUBLIC_V6: &[(Ipv6Addr, u32)] = &[
    // IETF protocols: Teredo, which embeds IPv4, benchmarks, overlays.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),     // 6to4, which embeds IPv4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation
];

/// The global unicast addresses of IPv6.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// The well-known prefix of NAT64 (RFC 6052): the last 32 bits are an IPv4 address that is translated to.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(first, length): &(Ipv4Addr, u32)| {
        (address.to_bits() ^ first.to_bits()) >> (u32::BITS - length) == 0
    };
    !NOT_PUBLIC_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |(first, length): &(Ipv6Addr, u32)| {
        (address.to_bits() ^ first.to_bits()) >> (u128::BITS - length) == 0
    };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    if within(&NAT64) {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    within(&GLOBAL_V6) && !NOT_PUBLIC_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_refused(host: &str) -> bool {
        let url = Url::parse(&format!("http://{host}:8080/v1")).unwrap();
        check_host(&url).is_err()
    }

    #[test]
    fn refuses_what_is_not_public_however_it_is_written() {
        let refused = [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "0",
            "0.0.0.0",
            "127.0.0.1",
            "127.1",
            "127.0.0.1.",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "0xa9fea9fe",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "192.88.99.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "①②⑦.0.0.1",
            "[::]",
            "[::1]",
            "[fe80::1]",
            "[febf::1]",
            "[fec0::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[::127.0.0.1]",
            "[::8.8.8.8]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::ffff:0:127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::8.8.8.8]",
            "[2002:7f00:1::]",
            "[2002:808:808::]",
            "[2001::1]",
            "[2001:2::1]",
            "[2001:20::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "[100::1]",
            "[5f00::1]",
        ];
        for host in refused {
            assert!(is_refused(host), "{host}");
        }
    }

    #[test]
    fn allows_what_is_public() {
        let allowed = [
            "api.openai.com",
            "localhost.example",
            "8.8.8.8",
            "172.15.255.255",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "198.17.255.255",
            "198.20.0.1",
            "192.0.1.1",
            "168.63.129.17",
            "223.255.255.255",
            "[2606:4700::1111]",
            "[2001:200::1]",
            "[2001:4860:4860::8888]",
            "[::ffff:8.8.8.8]",
            "[64:ff9b::8.8.8.8]",
            "[2a00:1450::1]",
            "[3ffe::1]",
        ];
        for host in allowed {
            assert!(!is_refused(host), "{host}");
        }
    }

    /// All the ways in which an IPv6 address can stand for an IPv4 one.
    fn embeddings(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
        let low = u128::from(v4.to_bits());
        let at = |prefix: u128, shift: u32| Ipv6Addr::from_bits(prefix | low << shift);
        vec![
            v4.to_ipv6_mapped(),
            at(0, 0),                                                           // compatible
            at(0xffff_0000 << 32, 0),      // translated (RFC 2765)
            at(0x0064_ff9b << 96, 0),      // NAT64, well-known
            at(0x0064_ff9b_0001 << 80, 0), // NAT64, local use
            at(0x2002 << 112, 80),         // 6to4
            Ipv6Addr::from_bits(0x2001_0000 << 96 | u128::from(!v4.to_bits())), // Teredo
        ]
    }

    fn refused_by_std(address: Ipv4Addr) -> bool {
        address.is_loopback()
            || address.is_private()
            || address.is_link_local()
            || address.is_unspecified()
            || address.is_broadcast()
            || address.is_multicast()
            || address.is_documentation()
    }

    fn not_public_v4() -> impl Strategy<Value = Ipv4Addr> {
        let ranges: Vec<_> = NOT_PUBLIC_V4.to_vec();
        (prop::sample::select(ranges), any::<u32>()).prop_map(|((first, length), rest)| {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            Ipv4Addr::from_bits(first.to_bits() | rest & host)
        })
    }

    proptest! {
        #[test]
        fn what_std_calls_private_is_refused_in_every_embedding(
            address in prop_oneof![any::<u32>().prop_map(Ipv4Addr::from_bits), not_public_v4()],
        ) {
            if refused_by_std(address) || !is_public_v4(address) {
                prop_assert!(!is_public(address.into()));
                for embedded in embeddings(address) {
                    prop_assert!(!is_public(embedded.into()), "{}", embedded);
                }
            }
        }

        #[test]
        fn what_std_calls_local_is_refused_in_ipv6(bits in any::<u128>(), prefix in 0_u128..0x1_0000) {
            let address = Ipv6Addr::from_bits(bits >> 16 | prefix << 112);
            let is_local = address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local();
            prop_assert!(!(is_local && is_public(address.into())));
        }

        #[test]
        fn no_spelling_of_an_address_gets_through(address in not_public_v4()) {
            let bits = address.to_bits();
            let [a, b, c, d] = address.octets();
            for host in [
                address.to_string(),
                bits.to_string(),
                format!("{bits:#x}"),
                format!("{bits:#o}").replacen("0o", "0", 1),
                format!("{a:#x}.{b:#x}.{c}.{d}"),
                format!("{a}.{}", bits & 0x00ff_ffff),
                format!("[{}]", address.to_ipv6_mapped()),
            ] {
                prop_assert!(is_refused(&host), "{}", host);
            }
        }
    }
}
