//! What a Redis URL says: one server, some of a cluster, or sentinels.

use ::redis::io::tcp::TcpSettings;
use ::redis::{ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, RedisResult};

use crate::error::{Error, Result};

/// The port of a sentinel that is given without one.
const SENTINEL_PORT: u16 = 26_379;
/// What is behind the scheme of a server where the URL names several.
const SENTINELS: &str = "+sentinel";
const CLUSTER: &str = "+cluster";
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
                 redis+sentinel://sentinel-1,sentinel-2/master-name; with TLS it begins with rediss",
            )
        })
    }

    fn parse(url: &str) -> RedisResult<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(odd)?;
        if let Some(scheme) = scheme.strip_suffix(CLUSTER) {
            return Self::parse_cluster(known(scheme)?, rest);
        }
        let Some(scheme) = scheme.strip_suffix(SENTINELS) else {
            return Ok(Self::Fixed(Box::new(plain(url)?)));
        };
        let scheme = known(scheme)?;
        let (login, rest) = login(rest);
        let (hosts, path) = rest.split_once('/').ok_or_else(odd)?;
        let (master, database) = path.split_once('/').unwrap_or((path, ""));
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "/?#".contains(c);
        if master.is_empty() || master.contains(is_odd) {
            return Err(odd());
        }
        Ok(Self::Sentinels {
            sentinels: each_host(scheme, hosts, "", SENTINEL_PORT)?,
            master: master.to_owned(),
            node: Box::new(plain(&format!("{scheme}://{login}master/{database}"))?),
        })
    }

    /// A cluster has one database only, so nothing stands behind the hosts.
    fn parse_cluster(scheme: &str, rest: &str) -> RedisResult<Self> {
        let (login, hosts) = login(rest);
        let hosts = hosts.strip_suffix('/').unwrap_or(hosts);
        if hosts.contains(['/', '?', '#']) {
            return Err(odd());
        }
        Ok(Self::Cluster(each_host(scheme, hosts, &login, PORT)?))
    }
}

/// The login in front of the hosts, with its `@`, and what is behind it.
fn login(rest: &str) -> (String, &str) {
    match rest.rsplit_once('@') {
        Some((login, rest)) => (format!("{login}@"), rest),
        None => (String::new(), rest),
    }
}

/// The scheme of a server: with TLS, or without.
fn known(scheme: &str) -> RedisResult<&str> {
    match scheme {
        "redis" | "rediss" => Ok(scheme),
        _ => Err(odd()),
    }
}

fn each_host(
    scheme: &str,
    hosts: &str,
    login: &str,
    port: u16,
) -> RedisResult<Vec<ConnectionInfo>> {
    let each = hosts.split(',').map(|host| {
        let behind_brackets = host.rsplit(']').next().unwrap_or(host);
        if host.is_empty() {
            Err(odd())
        } else if behind_brackets.contains(':') {
            plain(&format!("{scheme}://{login}{host}/"))
        } else {
            plain(&format!("{scheme}://{login}{host}:{port}/"))
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
    use ::redis::ConnectionAddr;

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
    fn a_second_s_means_tls_for_whatever_the_url_names() {
        let is_tls = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let RedisUrl::Fixed(info) = RedisUrl::parse("rediss://a/").unwrap() else {
            panic!("names one server");
        };
        assert!(is_tls(&info));
        let RedisUrl::Cluster(hosts) = RedisUrl::parse("rediss+cluster://a,b").unwrap() else {
            panic!("names a cluster");
        };
        assert!(hosts.len() == 2 && hosts.iter().all(is_tls));
        let url = RedisUrl::parse("rediss+sentinel://a,b/jobs").unwrap();
        let RedisUrl::Sentinels {
            sentinels, node, ..
        } = url
        else {
            panic!("names sentinels");
        };
        assert!(sentinels.iter().all(is_tls) && is_tls(&node));
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
            "http+sentinel://a:1/jobs",
            "http+cluster://a:1",
            "+cluster://a:1",
            "http://a/",
            "",
        ] {
            assert!(RedisUrl::parse(url).is_err(), "{url}");
        }
    }
}
