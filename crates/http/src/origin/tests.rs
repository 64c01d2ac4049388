//! Every kind of request that a browser or another program can send, and whether it is admitted.

use super::*;

fn request(head: &str) -> Request<()> {
    let mut lines = head.split('\n').map(str::trim);
    let mut words = lines.next().unwrap_or_default().split(' ');
    let mut request = Request::builder().method(words.next().unwrap()).uri(words.next().unwrap());
    request = request.version(match words.next().unwrap() {
        "1.0" => Version::HTTP_10,
        "1.1" => Version::HTTP_11,
        _ => Version::HTTP_2,
    });
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        request = request.header(name, value.trim());
    }
    request.body(()).unwrap()
}

#[track_caller]
fn check(origins: &Origins, scheme: Scheme, head: &str, want: &str) {
    let got = match origins.admit(&request(head), scheme) {
        Ok(Admitted::Own) => "own".to_owned(),
        Ok(Admitted::Listed(_)) => "listed".to_owned(),
        Err(problem) => problem.code.to_string(),
    };
    assert_eq!(got, want, "{head}");
}

fn rules() -> Origins {
    let origins = ["https://app.example.com", "http://localhost:3000"].map(|text| text.parse().unwrap());
    Origins::new(&WebRules { hosts: HostRule::default(), origins: origins.to_vec() })
}

#[test]
fn programs_that_are_no_browsers_need_a_host_of_the_node() {
    let origins = Origins::new(&WebRules::default());
    for (head, want) in [
        ("GET /v1 1.1\nhost: 127.0.0.1:7070", "own"),
        ("POST /v1/streams/s/events 1.1\nhost: localhost", "own"),
        ("GET /v1 1.0", "own"),
        ("GET /v1 1.1", "bad_request"),
        ("GET /v1 1.1\nhost: evil.example", "foreign_host"),
        ("POST /v1/streams/s/events 1.1\nhost: evil.example:7070", "foreign_host"),
        ("OPTIONS * 1.1\nhost: evil.example", "foreign_host"),
        ("GET /v1 1.0\nhost: evil.example", "foreign_host"),
        ("GET /v1 1.1\nhost: localhost\nhost: localhost", "duplicate_header"),
        ("GET /v1 1.1\nhost: ", "foreign_host"),
        // Whole URLs in the request line.
        ("GET http://localhost/v1 1.1\nhost: localhost", "own"),
        ("GET http://evil.example/v1 1.1\nhost: localhost", "foreign_host"),
        ("GET http://localhost/v1 1.1\nhost: evil.example", "foreign_host"),
        ("GET http://localhost@evil.example/v1 1.1\nhost: localhost", "foreign_host"),
        // HTTP/2: the authority is a part of the URI.
        ("GET http://localhost:7070/v1 2", "own"),
        ("GET http://evil.example/v1 2", "foreign_host"),
        ("GET http://localhost/v1 2\nhost: evil.example", "foreign_host"),
        ("GET /v1 2\nhost: evil.example", "foreign_host"),
        ("GET /v1 2\nhost: localhost", "own"),
        ("GET /v1 2", "bad_request"),
    ] {
        check(&origins, Scheme::Http, head, want);
    }
}

#[test]
fn pages_of_other_origins_are_refused_however_the_browser_sends_the_request() {
    let origins = Origins::new(&WebRules::default());
    for (sent, want) in [
        // fetch, and forms that POST.
        ("GET\norigin: https://evil.example", "foreign_origin"),
        ("POST\norigin: https://evil.example", "foreign_origin"),
        ("OPTIONS\norigin: https://evil.example\naccess-control-request-method: PUT", "foreign_origin"),
        ("POST\norigin: null", "foreign_origin"),
        ("GET\norigin: null\nsec-fetch-site: same-origin", "foreign_origin"),
        ("POST\norigin: ", "foreign_origin"),
        ("POST\norigin: http://localhost:3000", "foreign_origin"),
        ("POST\norigin: http://localhost.evil.example:7070", "foreign_origin"),
        ("POST\norigin: http://localhost:7070/", "foreign_origin"),
        ("POST\norigin: https://localhost:7070", "foreign_origin"),
        ("POST\norigin: localhost:7070", "foreign_origin"),
        ("POST\norigin: http://localhost:7070 http://evil.example", "foreign_origin"),
        ("POST\norigin: http://localhost:7070\norigin: http://evil.example", "duplicate_header"),
        // The node's own pages.
        ("POST\norigin: http://localhost:7070\nsec-fetch-site: same-origin", "own"),
        ("GET\nsec-fetch-site: same-origin", "own"),
        ("GET\nsec-fetch-site: none\nsec-fetch-mode: navigate", "own"),
        // Images, scripts, frames and forms that GET: no `Origin`.
        ("GET\nsec-fetch-site: cross-site", "foreign_origin"),
        ("GET\nsec-fetch-site: same-site", "foreign_origin"),
        ("GET\nsec-fetch-site: something-new", "foreign_origin"),
        ("GET\nsec-fetch-site: cross-site\nsec-fetch-mode: no-cors\nsec-fetch-dest: image", "foreign_origin"),
        ("HEAD\nsec-fetch-site: cross-site\nsec-fetch-mode: no-cors", "foreign_origin"),
        (
            "GET\nsec-fetch-site: cross-site\nsec-fetch-mode: navigate\nsec-fetch-dest: iframe",
            "foreign_origin",
        ),
        // A link that was followed.
        ("GET\nsec-fetch-site: cross-site\nsec-fetch-mode: navigate\nsec-fetch-dest: document", "own"),
        (
            "POST\nsec-fetch-site: cross-site\nsec-fetch-mode: navigate\nsec-fetch-dest: document",
            "foreign_origin",
        ),
    ] {
        let (method, headers) = sent.split_once('\n').unwrap();
        check(
            &origins,
            Scheme::Http,
            &format!("{method} /v1/streams/s/events 1.1\nhost: localhost:7070\n{headers}"),
            want,
        );
    }
}

#[test]
fn the_scheme_is_a_part_of_the_node_s_own_origin() {
    let head = "POST /v1 1.1\nhost: localhost\norigin: https://localhost";
    check(&rules(), Scheme::Https, head, "own");
    check(&rules(), Scheme::Http, head, "foreign_origin");
    let head = "POST https://localhost/v1 2\norigin: http://localhost";
    check(&rules(), Scheme::Https, head, "foreign_origin");
}

#[test]
fn listed_origins_are_compared_byte_by_byte() {
    for (origin, want) in [
        ("https://app.example.com", "listed"),
        ("http://localhost:3000", "listed"),
        ("http://app.example.com", "foreign_origin"),
        ("https://app.example.com:8443", "foreign_origin"),
        ("https://app.example.com.evil.example", "foreign_origin"),
        ("https://evil.example/https://app.example.com", "foreign_origin"),
        ("https://x.app.example.com", "foreign_origin"),
        ("https://app-example.com", "foreign_origin"),
        ("null", "foreign_origin"),
        ("*", "foreign_origin"),
    ] {
        check(&rules(), Scheme::Http, &format!("POST /v1 1.1\nhost: localhost:7070\norigin: {origin}"), want);
    }
    // A page of a listed origin still needs a host of the node.
    check(
        &rules(),
        Scheme::Http,
        "POST /v1 1.1\nhost: evil.example\norigin: https://app.example.com",
        "foreign_host",
    );
}
