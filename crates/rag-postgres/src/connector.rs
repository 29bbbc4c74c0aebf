//! [`Connector`]: makes connections.

use std::time::Duration;

use rag_core::{StoreError, StoreErrorKind};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};

use crate::connection::Connection;
use crate::driver::{Driver, wait};
use crate::failure::{database, engine};
use crate::options::PostgresOptions;
use crate::tls::Tls;

/// How much longer than the server a caller waits for a statement, before it gives the connection up.
const GRACE: Duration = Duration::from_secs(5);
/// What TCP makes of a peer that is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Makes connections to one database.
pub(crate) struct Connector {
    driver: Driver,
    config: Config,
    /// `None`: nothing is encrypted.
    tls: Option<Tls>,
    connect_timeout: Duration,
    patience: Duration,
}

impl Connector {
    pub(crate) fn new(options: &PostgresOptions) -> Result<Self, StoreError> {
        let config = config(options)?;
        let is_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ if is_local => None,
            _ => Some(Tls::new().map_err(|error| {
                engine("TLS to PostgreSQL cannot be set up").with_source(error)
            })?),
        };
        let driver = Driver::start().map_err(|error| {
            engine("the thread for PostgreSQL does not start").with_source(error)
        })?;
        let patience = options.statement_timeout + GRACE;
        Ok(Self { driver, config, tls, connect_timeout: options.connect_timeout, patience })
    }

    /// Makes a connection.
    pub(crate) fn connect(&self) -> Result<Connection, StoreError> {
        let driver = self.driver.handle();
        // Several hosts are tried one after another.
        let most = self.connect_timeout * self.config.get_hosts().len().max(1) as u32;
        let client = match &self.tls {
            None => wait(&driver, most, plain(&self.config, driver.clone())),
            Some(tls) => wait(&driver, most, encrypted(&self.config, tls.clone(), driver.clone())),
        };
        let client = client
            .ok_or_else(|| engine("PostgreSQL did not take a connection in time"))?
            .map_err(|error| match error.code() {
                Some(_) => database(error),
                None => engine("PostgreSQL cannot be reached").with_source(error),
            })?;
        Ok(Connection::new(client, driver, self.patience))
    }
}

fn config(options: &PostgresOptions) -> Result<Config, StoreError> {
    // Certificates are always looked at, so this is what `require` is here.
    let url = options.url.expose_secret().replace("sslmode=verify-full", "sslmode=require");
    // The cause could quote the address, which has a password.
    let mut config: Config = url.parse().map_err(|_| {
        StoreError::new(
            StoreErrorKind::Incompatible,
            "the address of PostgreSQL cannot be read; it is like \
             postgres://user:password@host/database?sslmode=require, with what is not a letter or digit \
             percent-encoded",
        )
    })?;
    let limits = format!(
        "-c statement_timeout={} -c idle_in_transaction_session_timeout={} -c lock_timeout={}",
        options.statement_timeout.as_millis(),
        options.statement_timeout.as_millis(),
        options.statement_timeout.as_millis(),
    );
    let given = config.get_options().map(|given| format!("{given} ")).unwrap_or_default();
    config.options(format!("{given}-c plan_cache_mode=force_custom_plan -c jit=off {limits}"));
    if config.get_application_name().is_none() {
        config.application_name("colloquy");
    }
    config.connect_timeout(options.connect_timeout);
    config.tcp_user_timeout(UNACKNOWLEDGED);
    Ok(config)
}

async fn plain(config: &Config, driver: Handle) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    driver.spawn(connection);
    Ok(client)
}

async fn encrypted(
    config: &Config,
    tls: Tls,
    driver: Handle,
) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(tls).await?;
    driver.spawn(connection);
    Ok(client)
}
