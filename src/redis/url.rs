//! What a Redis URL says: one server, some of a cluster, or sentinels.

use ::redis::io::tcp::TcpSettings;
use ::redis::{ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult};

use crate::error::{Error, Result};

/// The port of a sentinel that is given without one.
const SENTINEL_PORT: u16 = 26_379;
const SENTINEL_SCHEME: &str = "redis+sentinel://";
const CLUSTER_SCHEME: &str = "redis+cluster://";
/// The port of a server that is given without one.
const PORT: u16 = 6_379;

/// What a URL says.
#[derive(Debug)]
pub(super) enum RedisUrl {
    Fixed(Box<ConnectionInfo>),
    /// Some servers of a cluster, which know the others.
    Cluster(Vec<ConnectionInfo>),
    Sentinels {
        sentinels: Vec<ConnectionInfo>,
        master: String,
        /// How to log in to the master, and which database.
        node: Box<ConnectionInfo>,
    },
}

impl RedisUrl {
    pub(super) fn read(url: &str) -> Result<Self> {
        Self::parse(url).map_err(|_| {
            Error::invalid(
                "redis",
                "must be a URL like redis://127.0.0.1:6379/, redis+cluster://node-1,node-2/ or \
                 redis+sentinel://sentinel-1,sentinel-2/master-name",
            )
        })
    }

    fn parse(url: &str) -> RedisResult<Self> {
        if let Some(rest) = url.strip_prefix(CLUSTER_SCHEME) {
            return Self::parse_cluster(rest);
        }
        let Some(rest) = url.strip_prefix(SENTINEL_SCHEME) else {
            return Ok(Self::Fixed(Box::new(plain(url)?)));
        };
        let (login, rest) = login(rest);
        let (hosts, path) = rest.split_once('/').ok_or_else(odd)?;
        let (master, database) = path.split_once('/').unwrap_or((path, ""));
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/?#".contains(c);
        if master.is_empty() || master.contains(is_odd) {
            return Err(odd());
        }
        Ok(Self::Sentinels {
            sentinels: each_host(hosts, "", SENTINEL_PORT)?,
            master: master.to_owned(),
            node: Box::new(plain(&format!("redis://{login}master/{database}"))?),
        })
    }

    /// A cluster has one database only, so nothing stands behind the hosts.
    fn parse_cluster(rest: &str) -> RedisResult<Self> {
        let (login, hosts) = login(rest);
        let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
        if hosts.contains(['/', '?', '#']) {
            return Err(odd());
        }
        Ok(Self::Cluster(each_host(hosts, &login, PORT)?))
    }
}

/// The login in front of the hosts, with its `@`, and what is behind it.
fn login(rest: &str) -> (String, &str) {
    match rest.rsplit_once('@') {
        Some((login, rest)) => (format!("{login}@"), rest),
        None => (String::new(), rest),
    }
}

fn each_host(hosts: &str, login: &str, port: u16) -> RedisResult<Vec<ConnectionInfo>> {
    let each = hosts.split(',').map(|host| {
        let behind_brackets = host.rsplit(']').next().unwrap_or(host);
        if host.is_empty() {
            Err(odd())
        } else if behind_brackets.contains(':') {
            plain(&format!("redis://{login}{host}/"))
        } else {
            plain(&format!("redis://{login}{host}:{port}/"))
        }
    });
    each.collect()
}

fn odd() -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "an odd list of hosts"))
}

pub(super) fn plain(url: &str) -> RedisResult<ConnectionInfo> {
    Ok(url.into_connection_info()?.set_tcp_settings(tcp()))
}

/// The redis crate leaves Nagle's algorithm on, which costs 40 ms here and there.
pub(super) fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentinels(url: &str) -> (Vec<String>, String, ConnectionInfo) {
        match RedisUrl::parse(url).unwrap() {
            RedisUrl::Sentinels {
                sentinels,
                master,
                node,
            } => {
                let hosts = sentinels.iter().map(|info| info.addr().to_string());
                (hosts.collect(), master, *node)
            }
            RedisUrl::Fixed(_) | RedisUrl::Cluster(_) => panic!("{url} names no sentinels"),
        }
    }

    #[test]
    fn a_url_of_sentinels_has_hosts_a_name_a_login_and_a_database() {
        let (hosts, master, node) = sentinels("redis+sentinel://a:1,b,[::1],[::2]:3/jobs");
        assert_eq!(hosts[..2], ["a:1", "b:26379"]);
        assert!(hosts[2].ends_with(":26379") && hosts[3].ends_with(":3"));
        assert_eq!(master, "jobs");
        assert_eq!(node.redis_settings().db(), 0);
        assert_eq!(node.redis_settings().password(), None);

        let (hosts, _, node) = sentinels("redis+sentinel://jf:p%40ss@a:1/jobs/2");
        assert_eq!(hosts, ["a:1"]);
        assert_eq!(node.redis_settings().db(), 2);
        assert_eq!(node.redis_settings().username(), Some("jf"));
        assert_eq!(node.redis_settings().password(), Some("p@ss"));
    }

    #[test]
    fn a_url_of_a_cluster_has_hosts_and_a_login() {
        for end in ["", "/"] {
            let url = format!("redis+cluster://jf:p%40ss@a:1,b,[::1]{end}");
            let RedisUrl::Cluster(hosts) = RedisUrl::parse(&url).unwrap() else {
                panic!("{url} names no cluster");
            };
            let addresses: Vec<_> = hosts.iter().map(|info| info.addr().to_string()).collect();
            assert_eq!(addresses[..2], ["a:1", "b:6379"]);
            assert!(addresses[2].ends_with(":6379"));
            for info in &hosts {
                assert_eq!(info.redis_settings().username(), Some("jf"));
                assert_eq!(info.redis_settings().password(), Some("p@ss"));
            }
        }
    }

    #[test]
    fn what_is_no_such_url_is_refused() {
        for url in [
            "redis+sentinel://a:1",
            "redis+sentinel://a:1/",
            "redis+sentinel:///jobs",
            "redis+sentinel://a:1,/jobs",
            "redis+sentinel://a:x/jobs",
            "redis+sentinel://a:1/jobs/two",
            "redis+sentinel://a:1/jobs?x=y",
            "redis+cluster://",
            "redis+cluster://a,",
            "redis+cluster://a/1",
            "redis+cluster://a?x=y",
            "rediss+sentinel://a:1/jobs",
            "http://a/",
            "",
        ] {
            assert!(RedisUrl::parse(url).is_err(), "{url}");
        }
    }
}
