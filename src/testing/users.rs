//! The users of Redis that are delivered, for tests.

use std::path::PathBuf;

use super::{TestAuthority, TestRedis};
use crate::redis::RedisAccess;

const PACKAGED: &str = include_str!("../../packaging/redis/users.acl");
/// Who may do everything, for the judge of a test.
const DEFAULT: &str = "user default ";

/// The users of `packaging/redis/users.acl`, and their passwords as files. They
/// end with this value.
#[derive(Debug)]
pub struct TestUsers {
    folder: tempfile::TempDir,
}

impl TestUsers {
    /// Writes the files.
    ///
    /// # Panics
    /// When they can not be written.
    #[must_use]
    pub fn packaged() -> Self {
        let folder = tempfile::tempdir().expect("a folder for users");
        let lines = PACKAGED.lines().filter(|line| !line.starts_with(DEFAULT));
        let lines: Vec<_> = lines.collect();
        std::fs::write(folder.path().join("users.acl"), lines.join("\n"))
            .expect("the users are written");
        for line in lines {
            let mut words = line.split_whitespace().skip(1);
            let name = words.next().expect("a user has a name");
            let password = words.find_map(|word| word.strip_prefix('>'));
            let password = password.expect("a user has a password");
            std::fs::write(folder.path().join(name), password).expect("a password is written");
        }
        Self { folder }
    }

    /// Starts a server that knows them.
    ///
    /// # Panics
    /// When there is no redis-server to start.
    #[must_use]
    pub fn start(&self, arguments: &[&str]) -> TestRedis {
        let file = self.file();
        TestRedis::start_with(&[&["--aclfile", &file][..], arguments].concat())
    }

    /// The same of a server that speaks TLS.
    ///
    /// # Panics
    /// When there is no redis-server to start.
    #[must_use]
    pub fn start_tls(&self, authority: &TestAuthority) -> TestRedis {
        TestRedis::start_tls(authority, &["--save", "", "--aclfile", &self.file()])
    }

    fn file(&self) -> String {
        self.folder.path().join("users.acl").display().to_string()
    }

    /// How one of them logs in.
    #[must_use]
    pub fn access(&self, user: &str) -> RedisAccess {
        RedisAccess {
            user: Some(user.to_owned()),
            password_file: Some(self.password_file(user)),
            ..RedisAccess::default()
        }
    }

    /// The password of one of them.
    #[must_use]
    pub fn password_file(&self, user: &str) -> PathBuf {
        self.folder.path().join(user)
    }
}
