//! TLS of a transport: whom it trusts, and what it shows of itself.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;
use secrecy::{ExposeSecret, SecretString};

use crate::transport::BuildError;

/// What a transport shows to servers that ask who is there (mutual TLS).
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate, and those between it and its authority, in PEM and in this order.
    pub chain_pem: Vec<u8>,
    /// Its private key in PEM: PKCS#8, SEC1 or PKCS#1, not encrypted.
    pub key_pem: SecretString,
}

/// TLS with the `ring` provider named outright: nobody needs to have installed a default for the process.
///
/// Where no certificate is ever looked at (`is_used` is false), none is read, so a machine without certificate authorities
/// can still reach a local server over plain HTTP.
///
/// # Errors
/// [`BuildError::ClientCertificate`] for a certificate that cannot be used, [`BuildError::Client`] for the rest.
pub(crate) fn client_config(
    is_used: bool,
    authorities: &[u8],
    certificate: Option<&ClientCertificate>,
) -> Result<ClientConfig, BuildError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(BuildError::client)?;
    let builder = if is_used {
        let verifier = Arc::new(verifier(provider, authorities)?);
        builder.dangerous().with_custom_certificate_verifier(verifier)
    } else {
        builder.with_root_certificates(rustls::RootCertStore::empty())
    };
    let mut config = match certificate {
        Some(certificate) => {
            let (chain, key) = read(certificate)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable(error.to_string()))?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Trusts what the system trusts, and the given authorities.
fn verifier(provider: Arc<CryptoProvider>, pem: &[u8]) -> Result<Verifier, BuildError> {
    let extra: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| BuildError::Client(Box::new(error)))?;
    if extra.is_empty() {
        Verifier::new(provider).map_err(BuildError::client)
    } else {
        Verifier::new_with_extra_roots(extra, provider).map_err(BuildError::client)
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read(certificate: &ClientCertificate) -> Result<Identity, BuildError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&certificate.chain_pem)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(format!("its chain is no PEM: {error}")))?;
    if chain.is_empty() {
        return Err(unusable("its chain holds no certificate".into()));
    }
    // The error could quote the key, so it is left out.
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.expose_secret().as_bytes())
        .map_err(|_| unusable("its key is no private key in PEM, or an encrypted one".into()))?;
    Ok((chain, key))
}

fn unusable(reason: String) -> BuildError {
    BuildError::ClientCertificate { reason }
}
