//! Where each value comes from, and what is refused.

use super::*;

fn check(flags: &[(&str, &str)], environment: &[(&str, &str)], file: Option<&str>) -> Result<Config, String> {
    let flag = |key| flags.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    let flags = Flags {
        data: flag("data"),
        listen: flag("listen"),
        access: flag("access"),
        cache_size: flag("cache-size"),
        ..Flags::default()
    };
    let environment = |variable: &str| {
        environment.iter().find(|(name, _)| *name == variable).map(|(_, value)| (*value).to_owned())
    };
    resolve(&flags, environment, file.map(|text| (Path::new("m.toml"), text)))
        .map_err(|error| error.to_string())
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let flags = [("data", "from-flag")];
    let environment = [("MAINSTAY_DATA", "e"), ("MAINSTAY_LISTEN", "127.0.0.1:1")];
    let file = "data = 'f'\nlisten = '127.0.0.1:2'\ncache-size = '1 GiB'\nmemtable-size = 1048576\n";
    let config = check(&flags, &environment, Some(file)).unwrap();
    assert_eq!(config.data, PathBuf::from("from-flag"));
    assert_eq!(config.listen, "127.0.0.1:1".parse().unwrap());
    assert_eq!((config.cache_bytes, config.memtable_bytes), (1 << 30, 1 << 20));
    assert_eq!(config.log_format, LogFormat::Auto);
    assert_eq!(config.keep_alive, Duration::from_secs(3));
    assert_eq!(config.access, Access::Open);
    let origin = |key| config.settings.iter().find(|setting| setting.key == key).unwrap().origin.to_string();
    for (key, from) in [
        ("data", "flag --data"),
        ("listen", "environment MAINSTAY_LISTEN"),
        ("cache-size", "file m.toml"),
        ("memtable-size", "file m.toml"),
        ("segment-size", "default"),
    ] {
        assert_eq!(origin(key), from);
    }
}

#[test]
fn an_invalid_value_is_an_error_that_names_the_key_and_the_source() {
    for (environment, file, want) in [
        (&[][..], Some("lisen = 'x'"), "m.toml has the unknown key `lisen`; the known keys are `data`,"),
        (&[], Some("listen = "), "m.toml is not valid TOML: line 1: "),
        (&[], Some("cache-size = true"), "`cache-size` cannot be \"true\" (from file m.toml)"),
        (&[("MAINSTAY_CACHE_SIZE", "1 parsec")], None, "(from environment MAINSTAY_CACHE_SIZE)"),
        (&[("MAINSTAY_CACHE_SIZE", "99999999999 GiB")], None, "expected a size from 0 to 1 TiB"),
        (&[("MAINSTAY_LISTEN", "0.0.0.0:7070")], None, "There, a node needs more"),
        (&[("MAINSTAY_LISTEN", "localhost")], None, "expected an address and a port"),
        (&[("MAINSTAY_KEEP_ALIVE", "999ms")], None, "expected a duration from 1s to 60s"),
        (&[("MAINSTAY_CHECK_EVERY", "999ms")], None, "expected a duration from 1s to 52w"),
        (&[("MAINSTAY_CHECK_EVERY", "53w")], None, "expected a duration from 1s to 52w"),
        (&[], Some("check-every = 0"), "such as 1w, or off"),
        (&[], Some("check-bytes-per-second = '8 KiB'"), "expected a size from 16 KiB to 1 GiB"),
        (&[], Some("keep-alive = 4"), "`keep-alive` cannot be \"4\" (from file m.toml)"),
        (&[("MAINSTAY_OTLP_ENDPOINT", "collector:4317")], None, "such as http://127.0.0.1:4318"),
        (&[("MAINSTAY_OTLP_PROTOCOL", "http")], None, "expected http/protobuf or grpc"),
        (&[("MAINSTAY_OTLP_SAMPLE_RATE", "2")], None, "expected a number from 0 to 1"),
        (&[("MAINSTAY_OTLP_METRICS_EVERY", "10ms")], None, "expected a duration from 1s to 1d"),
        (&[], Some("otlp-headers-file = 'h'"), "`otlp-endpoint` is not"),
        (&[("MAINSTAY_LOG_FORMAT", "xml")], None, "expected auto, text or json"),
        (
            &[],
            Some("allowed-hosts = ['a', 'https://b']"),
            "`allowed-hosts` cannot be \"https://b\" (from file",
        ),
        (&[], Some("allowed-hosts = [7.5, ['b c']]"), "`allowed-hosts` cannot be \"b c\""),
        (&[("MAINSTAY_ALLOWED_HOSTS", "a,,b")], None, "`allowed-hosts` cannot be \"\""),
        (&[("MAINSTAY_ALLOWED_ORIGINS", "*")], None, "`allowed-origins` cannot be \"*\""),
        (&[("MAINSTAY_ALLOWED_ORIGINS", "null")], None, "expected origins of web pages, such as https://"),
        (&[("MAINSTAY_ACCESS", "none")], None, "expected auto, open or tokens"),
        (&[], Some("ui = 'off'"), "`ui` cannot be \"off\" (from file m.toml): expected true or false"),
        (&[("MAINSTAY_DATA", "")], None, "`data` cannot be \"\""),
        (&[("MAINSTAY_SEGMENT_SIZE", "1")], None, "expected a size from 1 MiB to 1 GiB"),
        (&[("MAINSTAY_SEGMENT_SIZE", "2 GiB")], None, "expected a size from 1 MiB to 1 GiB"),
        (&[("MAINSTAY_MEMTABLE_SIZE", "0")], None, "expected a size from 256 KiB to 4 GiB"),
        (&[("MAINSTAY_REQUESTS_PER_SECOND", "0")], None, "expected a number from 1 to 1000000"),
        (&[("MAINSTAY_BYTES_PER_SECOND", "1 KiB")], None, "expected a size from 16 KiB to 8 GiB"),
        (&[("MAINSTAY_SUBSCRIBERS", "4097")], None, "expected a number from 1 to 4096"),
        (&[("MAINSTAY_BODY_SIZE", "9 MiB")], None, "expected a size from 1 KiB to 8 MiB"),
        (&[("MAINSTAY_CACHE_SIZE", "2 TiB")], None, "expected a size from 0 to 1 TiB"),
        (&[], Some("data = 'x'\nlisten = "), "m.toml is not valid TOML: line 2: "),
    ] {
        let error = check(&[], environment, file).unwrap_err();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn a_list_is_an_array_or_has_commas_and_a_bound() {
    let file =
        "allowed-hosts = ['a.example', 'B.example:8443']\nallowed-origins = 'https://a.example , http://b:1'";
    let config = check(&[], &[], Some(file)).unwrap();
    assert_eq!(config.allowed_hosts, ["a.example", "b.example:8443"].map(|text| text.parse().unwrap()));
    assert_eq!(config.allowed_origins, ["https://a.example", "http://b:1"].map(|text| text.parse().unwrap()));
    assert!(check(&[], &[], None).unwrap().allowed_hosts.is_empty());
    let many = vec!["a"; 101].join(",");
    let error = check(&[], &[("MAINSTAY_ALLOWED_HOSTS", &many)], None).unwrap_err();
    assert!(error.contains("takes at most 100"), "{error}");
}

#[test]
fn what_all_clients_may_use_is_not_limited_unless_a_setting_says_so() {
    let config = check(&[], &[], None).unwrap();
    assert_eq!((config.allowance, config.subscribers_max), (Allowance::default(), 1_024));
    let file = "requests-per-second = 500\nbytes-per-second = '1 MiB'\nsubscribers = 7\nbody-size = '64 KiB'";
    let config = check(&[], &[], Some(file)).unwrap();
    let want = Allowance::of_parts([Some(500), Some(1 << 20), None, Some(64 << 10)]);
    assert_eq!((config.allowance, config.subscribers_max), (want, 7));
}

#[test]
fn the_data_is_checked_every_week_unless_a_setting_says_otherwise() {
    let of = |text: &str| check(&[], &[("MAINSTAY_CHECK_EVERY", text)], None).unwrap().check_every;
    let config = check(&[], &[], None).unwrap();
    let week = Duration::from_secs(7 * 86_400);
    assert_eq!((config.check_every, config.check_bytes_per_second), (Some(week), 16 << 20));
    assert_eq!((of("off"), of("1d"), of("52w")), (None, Some(week / 7), Some(52 * week)));
}

#[test]
fn any_loopback_address_is_accepted() {
    for address in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:7070"] {
        assert!(check(&[("listen", address)], &[], None).is_ok(), "{address}");
    }
}

#[test]
fn only_loopback_is_open_by_itself() {
    let check = |mode: &str, listen: &str| {
        let environment = [("MAINSTAY_INSECURE_HTTP", "true"), ("MAINSTAY_ACCESS", mode)];
        check(&[("listen", listen)], &environment, None).map(|config| config.access)
    };
    for (mode, listen, want) in [
        ("auto", "127.0.0.1:1", Access::Open),
        ("auto", "[::1]:1", Access::Open),
        ("auto", "0.0.0.0:1", Access::Tokens),
        ("auto", "192.0.2.1:1", Access::Tokens),
        ("open", "127.0.0.1:1", Access::Open),
        ("tokens", "127.0.0.1:1", Access::Tokens),
        ("tokens", "[::]:1", Access::Tokens),
    ] {
        assert_eq!(check(mode, listen), Ok(want), "{mode} on {listen}");
    }
}

#[test]
fn a_node_that_others_can_reach_needs_tls_and_tokens_and_the_error_lists_what_is_missing() {
    let tls = [("MAINSTAY_TLS_CERT", "c"), ("MAINSTAY_TLS_KEY", "k")];
    let insecure = [("MAINSTAY_INSECURE_HTTP", "true")];
    let open = ("MAINSTAY_ACCESS", "open");
    let with = |list: &[(&'static str, &'static str)]| [list, &[open]].concat();
    for (environment, wants) in [
        (vec![], &["(from flag --listen)", "\n  - TLS: set `tls-cert` and `tls-key`"][..]),
        (vec![open], &["\n  - TLS:", "mainstay certs", "insecure-http", "\n  - access control: `access`"]),
        (with(&tls), &["\n  - access control: `access` must be `tokens`"]),
        (with(&insecure), &["\n  - access control:"]),
    ] {
        let error = check(&[("listen", "0.0.0.0:7070")], &environment, None).unwrap_err();
        assert!(wants.iter().all(|want| error.contains(want)), "{environment:?}: {error}");
        let lines = if environment == [open] { 3 } else { 2 };
        assert_eq!(error.lines().count(), lines, "nothing else is listed: {error}");
    }
    assert!(check(&[("listen", "0.0.0.0:7070")], &tls, None).is_ok());
    assert!(check(&[("listen", "0.0.0.0:7070")], &insecure, None).is_ok());
}

#[test]
fn rules_for_certificates_need_certificates_and_access_control() {
    let roles = ("MAINSTAY_CLIENT_ROLES", "roles.toml");
    let tls = [("MAINSTAY_TLS_CERT", "c"), ("MAINSTAY_TLS_KEY", "k"), ("MAINSTAY_TLS_CLIENT_CA", "a")];
    let tokens = ("MAINSTAY_ACCESS", "tokens");
    let error = check(&[], &[roles, tls[0], tls[1], tls[2]], None).unwrap_err();
    assert!(error.contains("`access` is `open`") && error.contains("MAINSTAY_CLIENT_ROLES"), "{error}");
    for environment in [&[roles, tokens][..], &[roles, tokens, tls[0], tls[1]]] {
        let error = check(&[], environment, None).unwrap_err();
        assert!(error.contains("`tls-client-ca` is not"), "{error}");
    }
    let config = check(&[], &[roles, tokens, tls[0], tls[1], tls[2]], None).unwrap();
    let sources = Sources { client_roles: Some("roles.toml".into()), jwt: None };
    assert_eq!(config.identities, Some(sources));
    assert_eq!(check(&[], &[tokens], None).unwrap().identities, None);
}

#[test]
fn the_tokens_of_a_service_need_its_keys_its_name_and_an_audience() {
    let tokens = ("MAINSTAY_ACCESS", "tokens");
    let jwks = ("MAINSTAY_JWKS", "https://id.example.com/keys");
    let issuer = ("MAINSTAY_JWT_ISSUER", "https://id.example.com");
    let audience = ("MAINSTAY_JWT_AUDIENCE", "mainstay");
    for (environment, want) in [
        (&[jwks, issuer, audience][..], "`access` is `open`"),
        (&[tokens, jwks], "`jwks` is set (from environment MAINSTAY_JWKS), and `jwt-issuer` or"),
        (&[tokens, jwks, audience], "any token would count"),
        (&[tokens, jwks, issuer], "any token would count"),
        (
            &[tokens, issuer, audience],
            "`jwt-issuer` is set (from environment MAINSTAY_JWT_ISSUER), and `jwks` is not",
        ),
        (&[tokens, audience], "and `jwks` is not"),
        (&[tokens, ("MAINSTAY_JWKS", "http://id.example.com/"), issuer, audience], "a URL with https"),
        (&[tokens, jwks, issuer, audience, ("MAINSTAY_JWT_CLAIM", "")], "the name of a claim"),
    ] {
        let error = check(&[], environment, None).unwrap_err();
        assert!(error.contains(want), "{environment:?}: {error}");
    }
    let config = check(&[], &[tokens, jwks, issuer, audience], None).unwrap();
    let jwt = config.identities.unwrap().jwt.unwrap();
    assert_eq!((&*jwt.issuer, &*jwt.audience, &*jwt.claim), (issuer.1, audience.1, "scope"));
}

#[test]
fn subjects_are_looked_for_where_an_expression_says_by_a_node_that_seals() {
    let key = ("MAINSTAY_SUBJECT_KEY_FILE", "subject.key");
    for (environment, want) in [
        (
            &[("MAINSTAY_SUBJECT_FROM", "stream")][..],
            "`subject-from` is set (from environment MAINSTAY_SUBJECT_FROM), and",
        ),
        (
            &[key, ("MAINSTAY_SUBJECT_FROM", "data.id,payload.id")],
            "expected `stream`, `data` or `data.MEMBER`",
        ),
    ] {
        let error = check(&[], environment, None).unwrap_err();
        assert!(error.contains(want), "{environment:?}: {error}");
    }
    let config = check(&[], &[key, ("MAINSTAY_SUBJECT_FROM", "data.id, stream")], None).unwrap();
    let want = [SubjectSource::Data(vec!["id".into()]), SubjectSource::Stream];
    assert_eq!(config.subject_from, want);
}

#[test]
fn certificate_and_key_come_together() {
    for (environment, want) in [
        (
            ("MAINSTAY_TLS_CERT", "c"),
            "`tls-cert` is set (from environment MAINSTAY_TLS_CERT), and `tls-key` is not",
        ),
        (
            ("MAINSTAY_TLS_KEY", "k"),
            "`tls-key` is set (from environment MAINSTAY_TLS_KEY), and `tls-cert` is not",
        ),
        (("MAINSTAY_TLS_CLIENT_CA", "a"), "and `tls-cert` is not"),
        (("MAINSTAY_INSECURE_HTTP", "yes"), "expected true or false"),
    ] {
        let error = check(&[], &[environment], None).unwrap_err();
        assert!(error.contains(want), "{error}");
    }
    let both = check(&[], &[("MAINSTAY_TLS_CERT", "c"), ("MAINSTAY_TLS_KEY", "k")], None).unwrap();
    let files = tls::Files { certificate: "c".into(), key: "k".into(), client_authorities: None };
    assert_eq!(both.tls, Some(files));
    assert_eq!(check(&[], &[("MAINSTAY_TLS_CERT", "")], None).unwrap().tls, None, "empty is unset");
}
