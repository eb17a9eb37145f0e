//! A browser without JavaScript: cookies, redirects, forms.

use url::Url;

use super::{
    forms::{Form, forms, tags},
    http::{Answer, Raw, Request, exchange},
    tls::Tls,
};

/// Somebody with a cookie jar. Every host is loopback, whatever its name.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// Where relative addresses start.
    home: Url,
    pub(crate) jar: Vec<Cookie>,
    /// Headers that go with every request.
    pub(crate) extra: Vec<(String, String)>,
    /// What is shown and trusted at https addresses.
    pub(crate) tls: Option<Tls>,
}

/// A cookie as it was set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Cookie {
    pub(crate) host: String,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) path: String,
    /// The whole header value, for tests of attributes.
    pub(crate) line: String,
}

impl Cookie {
    /// Whether an attribute is there, like `HttpOnly` or `SameSite=Lax`.
    pub(crate) fn says(&self, attribute: &str) -> bool {
        self.line
            .split(';')
            .skip(1)
            .any(|part| part.trim().eq_ignore_ascii_case(attribute))
    }

    /// `name=value`.
    pub(crate) fn pair(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}

/// An answer and the address it came from.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) answer: Answer,
}

impl Page {
    pub(crate) fn text(&self) -> String {
        self.answer.text()
    }

    /// Where a browser goes from here without being asked.
    fn leads_to(&self) -> Option<String> {
        if matches!(self.answer.status, 301 | 302 | 303 | 307 | 308) {
            return Some(self.answer.location().to_owned());
        }
        let html = self.answer.header("content-type")?.starts_with("text/html");
        let tags = if html { tags(&self.text()) } else { Vec::new() };
        let refresh = tags.into_iter().find(|tag| {
            tag.name == "meta" && tag.value("http-equiv").as_deref() == Some("refresh")
        })?;
        Some(refresh.value("content")?.split_once("url=")?.1.to_owned())
    }

    pub(crate) fn forms(&self) -> Vec<Form> {
        forms(&self.text())
    }

    /// The first form with this field; none fails the test.
    #[track_caller]
    pub(crate) fn form_with(&self, field: &str) -> Form {
        let form = self.forms().into_iter().find(|form| form.has(field));
        form.unwrap_or_else(|| panic!("no form with {field:?} at {}: {:?}", self.url, self.answer))
    }
}

/// The password that the visitors of these tests use.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

impl Visitor {
    pub(crate) fn new(home: &str) -> Self {
        Self {
            home: home.parse().unwrap(),
            jar: Vec::new(),
            extra: Vec::new(),
            tls: None,
        }
    }

    /// The same, over TLS.
    pub(crate) fn over(home: &str, tls: Tls) -> Self {
        Self {
            tls: Some(tls),
            ..Self::new(home)
        }
    }

    pub(crate) fn url(&self, address: &str) -> Url {
        self.home.join(address).unwrap()
    }

    /// Sends a request to the host of `address` with the cookies of that host, and keeps those that
    /// the answer sets. The target of `request` goes out as it is.
    pub(crate) fn send(&mut self, url: &Url, request: &Request) -> Answer {
        let mut request = request.clone();
        request.headers.extend(self.extra.iter().cloned());
        let cookies = self.cookie_header(url);
        if !cookies.is_empty() {
            request = request.header("Cookie", &cookies);
        }
        let port = url.port_or_known_default().unwrap();
        let answer = match &self.tls {
            Some(tls) if url.scheme() == "https" => {
                let stream = tls.connect(port, url.host_str().unwrap());
                let request = request.header("Connection", "close");
                let mut raw = Raw::over(Box::new(stream));
                raw.send(request.bytes(&authority(url)));
                raw.answer(&request.method).expect("no answer over TLS")
            }
            _ => exchange(port, &authority(url), &request),
        };
        self.keep(url, &answer);
        answer
    }

    /// One navigation, redirects not followed.
    pub(crate) fn open(&mut self, address: &str) -> Page {
        let url = self.url(address);
        let answer = self.send(&url, &Request::navigation(&target(&url)));
        Page { url, answer }
    }

    /// What a script's `fetch` gets: no navigation.
    pub(crate) fn fetch(&mut self, address: &str) -> Answer {
        let url = self.url(address);
        let request = Request::get(&target(&url))
            .header("Accept", "application/json")
            .header("Sec-Fetch-Mode", "cors")
            .header("Sec-Fetch-Site", "same-origin");
        self.send(&url, &request)
    }

    /// A navigation to its end.
    pub(crate) fn go(&mut self, address: &str) -> Page {
        let page = self.open(address);
        self.follow(page)
    }

    /// Follows redirects, those in a page's `<meta http-equiv="refresh">` too, until a page comes.
    pub(crate) fn follow(&mut self, mut page: Page) -> Page {
        let mut trail = vec![page.url.to_string()];
        while let Some(to) = page.leads_to() {
            let next = page.url.join(&to).unwrap();
            // no browser goes from a redirect to a script or a file
            if !next.scheme().starts_with("http") {
                break;
            }
            trail.push(next.to_string());
            assert!(trail.len() < 20, "redirects without end: {trail:#?}");
            page = self.open(next.as_str());
        }
        page
    }

    /// The same, and submits the forms that a page submits by itself: an answer of a provider on
    /// its way to where it was asked (OAuth 2.0 Form Post Response Mode, section 2).
    pub(crate) fn carry_on(&mut self, page: Page) -> Page {
        let mut page = self.follow(page);
        for _ in 0..5 {
            let answer = |form: &Form| {
                let answers = form.has("code") || form.has("error");
                form.method == "POST"
                    // this one waits for the person
                    && !form.action.contains("confirmed")
                    && (form.has("SAMLRequest")
                        || form.has("SAMLResponse")
                        || form.has("wresult")
                        || (form.has("state") && answers))
            };
            let Some(form) = page.forms().into_iter().find(answer) else {
                break;
            };
            let next = self.submit(&page, &form);
            page = self.follow(next);
        }
        page
    }

    /// Submits a form as its page would; redirects not followed.
    pub(crate) fn submit(&mut self, page: &Page, form: &Form) -> Page {
        let url = page.url.join(&form.action).unwrap();
        if form.method == "GET" {
            let mut url = url;
            url.set_query(Some(&form.body()));
            return self.open(url.as_str());
        }
        let site = if url.origin() == page.url.origin() {
            "same-origin"
        } else {
            "cross-site"
        };
        let request = Request::new("POST", &target(&url))
            .header("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
            .header("Origin", &page.url.origin().ascii_serialization())
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Dest", "document")
            .header("Sec-Fetch-Site", site)
            .body("application/x-www-form-urlencoded", form.body());
        let answer = self.send(&url, &request);
        Page { url, answer }
    }

    /// Makes an account at the connection `members` on the way to `address`; where that ended.
    #[track_caller]
    pub(crate) fn sign_up(&mut self, address: &str, name: &str) -> Page {
        let login = self.go(address);
        let mut signup = "/.auth/signup/members".to_owned();
        if let Some(found) = super::forms::links(&login.text())
            .into_iter()
            .find(|link| link.contains("/signup/members"))
        {
            signup = found;
        }
        let page = self.go(login.url.join(&signup).unwrap().as_str());
        self.finish_sign_up(&page, name)
    }

    /// Fills in the sign-up form of `page`; where that ended.
    #[track_caller]
    pub(crate) fn finish_sign_up(&mut self, page: &Page, name: &str) -> Page {
        let answer = self.submit_sign_up(page, name);
        self.follow(answer)
    }

    /// Submits the sign-up form of `page`: e-mail `NAME@example.com`, a username where asked.
    /// Redirects are not followed.
    #[track_caller]
    pub(crate) fn submit_sign_up(&mut self, page: &Page, name: &str) -> Page {
        let mut form = page.form_with("password");
        for (field, value) in [
            ("email", format!("{name}@example.com")),
            ("username", name.to_owned()),
            ("password", PASSWORD.to_owned()),
        ] {
            if form.has(field) {
                form = form.fill(field, &value);
            }
        }
        self.submit(page, &form)
    }

    /// Signs in with a name and a password on the way to `address`; where that ended.
    #[track_caller]
    pub(crate) fn sign_in(&mut self, address: &str, login: &str, password: &str) -> Page {
        let page = self.go(address);
        let answer = self.try_password(&page, login, password);
        self.follow(answer)
    }

    /// Submits the password form of `page`; redirects not followed.
    #[track_caller]
    pub(crate) fn try_password(&mut self, page: &Page, login: &str, password: &str) -> Page {
        let form = page
            .form_with("password")
            .fill("login", login)
            .fill("password", password);
        self.submit(page, &form)
    }

    /// Signs out by the page's own form.
    #[track_caller]
    pub(crate) fn sign_out(&mut self) -> Page {
        let page = self.go("/.auth/logout");
        let Some(form) = page.forms().into_iter().find(|form| form.method == "POST") else {
            return page;
        };
        let answer = self.submit(&page, &form);
        self.follow(answer)
    }

    /// What `/.auth/me` says; `None` without a session.
    pub(crate) fn me(&mut self) -> Option<serde_json::Value> {
        let answer = self.fetch("/.auth/me");
        (answer.status == 200).then(|| answer.json())
    }

    /// The session cookie for the home host.
    pub(crate) fn session(&self) -> Option<&Cookie> {
        self.session_at(self.home.host_str().unwrap())
    }

    /// The session cookie for a host.
    pub(crate) fn session_at(&self, host: &str) -> Option<&Cookie> {
        self.jar
            .iter()
            .find(|cookie| cookie.host == host && is_session(&cookie.name))
    }

    /// The cookies of logins under way.
    pub(crate) fn flows(&self) -> Vec<&Cookie> {
        self.jar
            .iter()
            .filter(|cookie| is_flow(&cookie.name))
            .collect()
    }

    fn cookie_header(&self, url: &Url) -> String {
        let fits = |cookie: &&Cookie| {
            Some(cookie.host.as_str()) == url.host_str() && url.path().starts_with(&cookie.path)
        };
        let pairs: Vec<_> = self.jar.iter().filter(fits).map(Cookie::pair).collect();
        pairs.join("; ")
    }

    fn keep(&mut self, url: &Url, answer: &Answer) {
        for line in answer.all("set-cookie") {
            let cookie = parse_cookie(url, line);
            self.jar.retain(|held| {
                (&held.host, &held.name, &held.path) != (&cookie.host, &cookie.name, &cookie.path)
            });
            let over = line.to_ascii_lowercase().contains("max-age=0") || cookie.value.is_empty();
            if !over {
                self.jar.push(cookie);
            }
        }
    }
}

/// Whether a cookie of that name holds a session: `__Host-vestibule` or `vestibule-HASH`.
pub(crate) fn is_session(name: &str) -> bool {
    let bare = name.strip_prefix("__Host-").unwrap_or(name);
    bare == "vestibule"
        || bare
            .strip_prefix("vestibule-")
            .is_some_and(|hash| !hash.is_empty() && hash.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Whether a cookie of that name holds a login under way.
pub(crate) fn is_flow(name: &str) -> bool {
    name.strip_prefix("__Host-")
        .unwrap_or(name)
        .starts_with("vestibule-flow")
}

/// A `Set-Cookie` line as the browser at `url` understands it.
pub(crate) fn parse_cookie(url: &Url, line: &str) -> Cookie {
    let (name, value) = line
        .split(';')
        .next()
        .and_then(|pair| pair.split_once('='))
        .unwrap();
    let path = line
        .split(';')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("path"))
        .map_or("/", |(_, path)| path);
    Cookie {
        host: url.host_str().unwrap().to_owned(),
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        path: path.to_owned(),
        line: line.to_owned(),
    }
}

/// Path and query, as they go into a request line.
pub(crate) fn target(url: &Url) -> String {
    url.query().map_or_else(
        || url.path().to_owned(),
        |query| format!("{}?{query}", url.path()),
    )
}

/// Host and port, as they go into `Host`.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
