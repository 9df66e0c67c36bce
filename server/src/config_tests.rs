//! Where settings come from, and which wins.

use clap::CommandFactory;

use super::*;

fn file(text: &str) -> File {
    toml::from_str(text).unwrap()
}

#[test]
fn the_command_line_is_well_formed() {
    Args::command().debug_assert();
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let args = Args::parse_from(["jobflow-server", "--redis", "redis://flag/"]);
    let config = args.over(file(
        "redis = 'redis://file/'\nlisten = ['127.0.0.1:1']\nlog_format = 'json'",
    ));
    let config = config.unwrap();
    assert_eq!(config.redis_url, "redis://flag/");
    assert_eq!(config.listen, ["127.0.0.1:1".parse().unwrap()]);
    assert_eq!(config.log_format, LogFormat::Json);
    assert!(config.reflection && !config.allow_eviction);
}

#[test]
fn the_way_to_redis_is_said_by_flags_or_in_the_file() {
    let args = Args::parse_from(["x", "--redis-user", "flag", "--redis-ca", "flag.pem"]);
    let text =
        "redis_user = 'file'\nredis_password_file = 'secret'\nredis_plaintext_password = true";
    let access = args.over(file(text)).unwrap().redis_access;
    let expected = RedisAccess {
        ca: Some("flag.pem".into()),
        user: Some("flag".to_owned()),
        password_file: Some("secret".into()),
        plaintext_password: true,
        ..RedisAccess::default()
    };
    assert_eq!(access, expected);
}

#[test]
fn a_password_in_a_url_is_in_no_text_about_the_settings() {
    let args = Args::parse_from(["x", "--redis", "redis://:hidden@127.0.0.1/"]);
    let config = args.over(File::default()).unwrap();
    assert!(config.redis_url.contains("hidden"));
    assert!(!format!("{config:?}").contains("hidden"));
}

#[test]
fn nothing_set_means_the_local_machine() {
    let config = Config::default();
    assert_eq!(config.redis_url, "redis://127.0.0.1:6379/");
    assert_eq!(config.listen, ["127.0.0.1:4000".parse().unwrap()]);
    assert_eq!(config.namespace.as_str(), "default");
}

#[test]
fn a_listener_can_be_given_several_times() {
    let args = Args::parse_from(["x", "--listen", "127.0.0.1:4000", "--listen", "[::1]:4000"]);
    assert_eq!(args.over(File::default()).unwrap().listen.len(), 2);
}

#[test]
fn durability_is_spelled_in_the_file_as_on_the_command_line() {
    let text = "durability = 'replicated'\nreplicas = 2\ndurability_timeout = '250ms'";
    let args = Args::parse_from(["x", "--replicas", "3"]);
    let config = args.over(file(text)).unwrap();
    assert_eq!(config.durability, Durability::Replicated);
    assert_eq!(config.replicas, 3);
    assert_eq!(config.durability_timeout, Duration::from_millis(250));
    let error = toml::from_str::<File>("durability = 'disk'").unwrap_err();
    assert!(error.to_string().contains("replicated"), "{error}");
    assert_eq!(Config::default().durability, Durability::Memory);
}

#[test]
fn a_typing_error_in_the_file_is_not_a_setting() {
    let error = toml::from_str::<File>("lissten = []").unwrap_err();
    assert!(error.to_string().contains("lissten"), "{error}");
}

#[test]
fn a_half_of_tls_and_an_admin_without_tokens_are_refused() {
    for (flags, needs) in [
        (&["--tls-cert", "c"][..], "--tls-key"),
        (&["--tls-key", "k"], "--tls-cert"),
        (&["--tls-client-ca", "a"], "--tls-cert"),
        (&["--tls-client-crl", "a"], "--tls-client-ca"),
        (&["--tls-principals", "a"], "--tls-client-ca"),
        (&["--admin-token-file", "f"], "--auth tokens"),
    ] {
        let args = Args::parse_from([&["x"], flags].concat());
        let error = args.over(File::default()).unwrap_err().to_string();
        assert!(error.contains(needs), "{error}");
    }
}
