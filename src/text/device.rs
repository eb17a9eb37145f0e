//! A User-Agent header in the few words that its owner recognises.

/// Browsers, the more special first: nearly all of them claim to be several.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
];

/// Systems, the more special first.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// `Firefox · Linux`; the beginning of the header where nothing in it is known.
pub(crate) fn device(user_agent: &str) -> String {
    known_device(user_agent).unwrap_or_else(|| {
        let plain = user_agent.chars().filter(|c| !c.is_control());
        let start: String = plain.take(40).collect();
        if start.trim().is_empty() {
            "?".to_owned()
        } else {
            start
        }
    })
}

/// `Firefox · Linux`, as far as they are known ones: nothing that a stranger wrote.
pub(crate) fn known_device(user_agent: &str) -> Option<String> {
    let find = |table: &[(&str, &'static str)]| {
        table
            .iter()
            .find(|(mark, _)| user_agent.contains(mark))
            .map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser} · {system}")),
        (Some(name), None) | (None, Some(name)) => Some(name.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::device;

    #[test]
    fn common_browsers_are_recognised() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/140.0.0.0 Safari/537.36";
        assert_eq!(device(chrome), "Chrome · Linux");
        assert_eq!(device(&format!("{chrome} Edg/140.0")), "Edge · Linux");
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 \
                      (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
        assert_eq!(device(iphone), "Safari · iPhone");
        assert_eq!(device("curl/8.5.0"), "curl");
        assert_eq!(device("backup-job\u{7}\n1"), "backup-job1");
        assert_eq!(device(" "), "?");
        assert_eq!(device(&"é".repeat(99)), "é".repeat(40));
    }
}
