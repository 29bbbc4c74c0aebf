//! [`AccountsError`].

use std::path::PathBuf;

/// Why accounts could not be made, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The request says something that it cannot say.
    #[error("{0}")]
    Invalid(String),
    /// A password, or what stands for one, is wrong; or nobody has that address. Which of them is not told.
    #[error("the e-mail address or the password is wrong")]
    WrongPassword,
    /// An invitation that does not exist, is over, or was used.
    #[error("there is no such invitation, or it is over; ask for a new one")]
    NoInvitation,
    /// The tenant would be left without anybody who could let others in.
    #[error("the tenant's last admin stays one; make somebody else admin first")]
    LastAdmin,
    /// A secret that was sealed with another master key, or has been changed since.
    #[error("the key of {0} was sealed with another master key; set it again")]
    Sealed(String),
    /// The file cannot be read or written.
    #[error("the file of accounts, {}, cannot be used", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        #[allow(missing_docs)]
        source: rusqlite::Error,
    },
    /// The file was written by a later version of this program.
    #[error("{} is of version {version}, which this program does not know; use a later one", .file.display())]
    Later {
        /// Which.
        file: PathBuf,
        /// Its version.
        version: i64,
    },
    /// The system has no random numbers.
    #[error("the system gave no random numbers")]
    Random(#[source] getrandom::Error),
}
