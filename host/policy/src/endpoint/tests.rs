use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

fn allowed(address: &str, networks: &[&str]) -> bool {
    let networks: Vec<String> = networks.iter().map(|network| (*network).to_owned()).collect();
    address_allowed(address.parse().expect("an address"), &networks, false)
}

#[test]
fn a_name_leads_to_no_private_address() {
    for private in [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.0.8",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd12::1",
        "ff02::1",
        "100::1",
        "2001::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:a00:1::5",
    ] {
        assert!(!allowed(private, &[]), "{private}");
        assert!(address_allowed(private.parse().expect("an address"), &[], true), "{private}");
    }
    for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
        assert!(allowed(public, &[]), "{public}");
    }
}

#[test]
fn networks_are_the_whole_of_what_is_allowed() {
    assert!(allowed("10.1.2.3", &["10.0.0.0/8"]));
    assert!(allowed("::ffff:10.1.2.3", &["10.0.0.0/8"]));
    assert!(!allowed("11.1.2.3", &["10.0.0.0/8"]));
    assert!(!allowed("8.8.8.8", &["10.0.0.0/8"]));
    assert!(allowed("8.8.8.8", &["0.0.0.0/0"]));
    assert!(allowed("fd00::1", &["10.0.0.0/8", "fd00::/8"]));
    assert!(allowed("127.0.0.1", &["127.0.0.1"]));
    for bad in ["10.0.0.0/33", "fd00::/129", "ten", "", "10.0.0.0/", "10.0.0.0/-1"] {
        assert!(check_network(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn localhost_says_loopback_and_nothing_else() {
    let localhost = Host::Name("localhost".into());
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert!(localhost.says(address("127.0.0.1")) && localhost.says(address("::1")));
    assert!(!localhost.says(address("10.0.0.1")));
    assert!(!Host::Name("shop.example".into()).says(address("127.0.0.1")));
}

#[test]
fn urls_are_taken_apart() {
    let endpoint = Endpoint::parse("https://Shop.Example/health").expect("a url");
    assert_eq!(endpoint.host, Host::Name("shop.example".into()));
    assert_eq!((endpoint.scheme, endpoint.port, endpoint.prefix.as_str()), (Scheme::Https, 443, "/health"));
    let endpoint = Endpoint::parse("tcp://[::1]:5432").expect("a url");
    assert_eq!((endpoint.host, endpoint.port), (Host::Address("::1".parse().expect("an address")), 5432));
    assert_eq!(Endpoint::parse("http://127.0.0.1:8080").map(|endpoint| endpoint.port), Ok(8080));
    for bad in [
        "shop.example",
        "ftp://shop.example",
        "tcp://shop.example",
        "https://u:p@shop.example/",
        "https://shop.example/?a",
        "https://shop.example/#a",
        "https:///x",
        "https://a b/",
        "https://shop.example:0/",
        "https://shop.example:99999/",
        "https://shop.example/../x",
        "https://127.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://[::1/",
        "tls://a:1/x",
        "https://::1/",
        "https://shop..example/",
        "HTTPS://shop.example/",
    ] {
        assert!(Endpoint::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn paths_stay_below_their_prefix() {
    for (prefix, path, target) in [
        ("/health", "", "/health"),
        ("/health", "/live", "/health/live"),
        ("/health", "live", "/health/live"),
        ("/health/", "/live", "/health/live"),
        ("/health", "?full=1", "/health?full=1"),
        ("/health", "/a/?q=../..//", "/health/a/?q=../..//"),
        ("", "", "/"),
        ("/", "/", "/"),
        ("", "/a%20b", "/a%20b"),
        ("", "/100%25", "/100%25"),
        ("", "/.well-known/x", "/.well-known/x"),
    ] {
        assert_eq!(join_path(prefix, path).as_deref(), Ok(target), "{prefix:?} {path:?}");
    }
    for bad in [
        "/..",
        "/../x",
        "/a/../x",
        "/a/..",
        "/.",
        "//x",
        "//evil.example/x",
        "/a//b",
        "/%2e%2e/x",
        "/%2E./x",
        "/..%2fx",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/%252e%252e/x",
        "/%25252e%25252e/x",
        "/..;/x",
        "/..;a=b/x",
        "/;/x",
        "/%00",
        "/%0d%0aX:",
        "/a b",
        "/a#b",
        "/a\r\nHost: x",
        "/%zz",
        "/%",
        "/%2",
        "/é",
        "/a?b c",
        "/a?b#c",
        "/%252f",
    ] {
        assert!(join_path("/health", bad).is_err(), "{bad:?}");
    }
}

#[test]
fn methods_are_held_to_the_grant() {
    let grant = |methods: &[&str]| methods.iter().map(|method| (*method).to_owned()).collect::<Vec<_>>();
    assert_eq!(check_method(&[], "GET"), Ok(()));
    assert_eq!(check_method(&[], "HEAD"), Ok(()));
    assert_eq!(check_method(&[], "POST"), Err(EndpointRefusal::NotGranted { method: "POST".into() }));
    assert_eq!(check_method(&grant(&["GET", "POST"]), "POST"), Ok(()));
    assert_eq!(check_method(&grant(&["GET"]), "HEAD"), Ok(()));
    assert!(check_method(&grant(&["POST"]), "GET").is_err());
    for bad in ["get", "", "GET /", "CONNECT", "TRACE", "G\r\nT"] {
        assert_eq!(check_method(&grant(&[bad]), bad), Err(EndpointRefusal::Method), "{bad:?}");
    }
}

#[test]
fn headers_of_the_host_are_refused() {
    for bad in [
        "Host",
        "Connection",
        "Transfer-Encoding",
        "content-length",
        "Content_Length",
        "Proxy-Authorization",
        "X-Forwarded-For",
        "X-HTTP-Method-Override",
        "",
        "a b",
        "a:b",
        "a\r\nb",
        "é",
    ] {
        assert!(check_header(bad, None).is_err(), "{bad:?}");
    }
    assert_eq!(check_header("Authorization", None), Ok(()));
    assert!(check_header("authorization", Some("Authorization")).is_err());
    assert_eq!(check_header("Accept", Some("Authorization")), Ok(()));
}

proptest! {
    #[test]
    fn a_joined_path_is_below_its_prefix(path in "[a-z./%25eEfF;?\\\\-]{0,24}") {
        if let Ok(target) = join_path("/pre/fix", &path) {
            let below = target.split('?').next().unwrap_or_default();
            prop_assert!(below == "/pre/fix" || below.starts_with("/pre/fix/"), "{}", target);
            let mut text = below.to_owned();
            for _ in 0..12 {
                prop_assert!(!text.split('/').any(|segment| segment == ".." || segment == "."), "{}", text);
                text = text.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/").replace("%2F", "/").replace("%25", "%");
            }
        }
    }

    #[test]
    fn a_mapped_address_is_judged_as_what_it_maps(bits in any::<u32>()) {
        let four = std::net::Ipv4Addr::from_bits(bits);
        prop_assert_eq!(address_allowed(IpAddr::V4(four), &[], false), address_allowed(IpAddr::V6(four.to_ipv6_mapped()), &[], false));
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,40}") {
        let _ = Endpoint::parse(&text);
        let _ = Endpoint::parse(&format!("https://{text}"));
        let _ = join_path("", &text);
        let _ = check_network(&text);
        let _ = check_header(&text, None);
    }
}
