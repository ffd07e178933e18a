//! What an answer of the firmware server means for a part: its head is read once, here, and nothing of it is guessed.

use reqwest::{
    Response, StatusCode,
    header::{self, HeaderMap},
};
use supervisor_core::event::FetchFault;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'m> {
    /// From this byte on.
    pub(crate) from: u64,
    /// Up to this one, which is not part of it.
    pub(crate) until: u64,
    /// How long the whole is.
    pub(crate) promised: u64,
    /// Must nothing come that was not asked for? Then a range was asked for in any case.
    pub(crate) metered: bool,
    /// By what the content is known.
    pub(crate) mark: Option<&'m str>,
}

/// What the body of an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// The image from its first byte to its last.
    Whole,
    /// The image from where it was asked for.
    Rest {
        /// Up to this byte, which is not part of it.
        until: u64,
    },
    /// Nothing that can be used: what is there must be fetched again from its first byte, for this fault.
    Useless(FetchFault),
}

/// Reads the head of an answer.
///
/// # Errors
/// The answer is of no use, and asking again from the first byte would not change that.
pub(crate) fn judge(response: &Response, asked: &Asked<'_>) -> Result<Body, FetchFault> {
    let headers = response.headers();
    if let Some(by) = text(headers, header::CONTENT_ENCODING)
        && !by.trim().eq_ignore_ascii_case("identity")
    {
        let by: String = by.chars().take(32).collect();
        return Err(unfit(format!("it is encoded by `{by}`")));
    }
    let &Asked {
        from,
        until,
        promised,
        metered,
        ..
    } = asked;
    let body = match response.status() {
        StatusCode::OK => {
            let allowed = until - from;
            if metered && promised > allowed {
                let why = format!("{allowed} bytes may come, and it begins to send all {promised}");
                return Err(unfit(why));
            }
            check_length(response, 0, promised, promised)?;
            Body::Whole
        }
        StatusCode::RANGE_NOT_SATISFIABLE if from > 0 || metered => {
            Body::Useless(unfit(format!("it has no byte {from}")))
        }
        StatusCode::PARTIAL_CONTENT if from > 0 || metered => rest(response, asked)?,
        other => return Err(FetchFault::Status(other.as_u16())),
    };
    match body {
        // There is nothing to start over with.
        Body::Useless(why) if from == 0 => Err(why),
        body => Ok(body),
    }
}

/// Reads the head of an answer that says it is a part.
fn rest(response: &Response, asked: &Asked<'_>) -> Result<Body, FetchFault> {
    let &Asked {
        from,
        until,
        promised,
        metered,
        mark,
    } = asked;
    let headers = response.headers();
    let useless = |why: String| Ok(Body::Useless(unfit(why)));
    let range = text(headers, header::CONTENT_RANGE).and_then(content_range);
    let Some((first, last, total)) = range else {
        return useless("its range cannot be read".to_owned());
    };
    if mark.is_some() && mark_of(headers).is_some_and(|it| Some(&*it) != mark) {
        return useless("its content changed".to_owned());
    }
    let end = last + 1;
    // Where bytes are counted the rest can be asked for.
    let enough = end == until || (metered && end < until);
    if first != from || !enough || total.is_some_and(|it| it != promised) {
        return useless(format!(
            "bytes from {from} were asked for, and from {first} came"
        ));
    }
    check_length(response, from, end, promised)?;
    Ok(Body::Rest { until: end })
}

/// How long the whole is of which an answer is a part, if it says so.
pub(crate) fn total_of(response: &Response) -> Option<u64> {
    let range = text(response.headers(), header::CONTENT_RANGE).and_then(content_range);
    range.and_then(|(_, _, total)| total)
}

/// By what a server tells one content from another: a strong `ETag`, else `Last-Modified`. Both can be said in `If-Range`.
pub(crate) fn mark_of(headers: &HeaderMap) -> Option<String> {
    let strong = text(headers, header::ETAG).filter(|tag| tag.starts_with('"'));
    strong
        .or_else(|| text(headers, header::LAST_MODIFIED))
        .map(str::to_owned)
}

/// The fault for an answer that begins from the first byte once too often.
pub(crate) fn from_the_start(from: u64) -> FetchFault {
    unfit(format!("byte {from} was asked for, and all came"))
}

fn unfit(why: String) -> FetchFault {
    FetchFault::Unfit { why }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// An announced length must be that of what is wanted, from one byte up to another; where none is announced the bytes are counted.
fn check_length(
    response: &Response,
    from: u64,
    until: u64,
    promised: u64,
) -> Result<(), FetchFault> {
    let Some(announced) = response.content_length() else {
        return Ok(());
    };
    match announced.cmp(&(until - from)) {
        std::cmp::Ordering::Less => {
            let got = from + announced;
            Err(FetchFault::Short { got, promised })
        }
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(FetchFault::Long { promised }),
    }
}

/// First and last byte, and the length of the whole where it is known: `bytes 5-9/10`, `bytes 5-9/*`.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.trim().split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    // The largest number is nobody's last byte: one more could not be counted.
    (first <= last && last < u64::MAX).then_some((first, last, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_as_http_says() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 9, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, 9, None)));
        for bad in [
            "5-9/10",
            "bytes */10",
            "bytes 9-5/10",
            "bytes 5-/10",
            "bytes 5-9",
            "bytes 5-9/x",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_strong_tag_or_a_date_tells_contents_apart() {
        let mark = |pairs: &[(header::HeaderName, &'static str)]| {
            let pair = |(name, value): &(header::HeaderName, &'static str)| {
                (name.clone(), header::HeaderValue::from_static(value))
            };
            mark_of(&pairs.iter().map(pair).collect())
        };
        let date = "Mon, 23 Nov 2026 10:00:00 GMT";
        let dated = (header::LAST_MODIFIED, date);
        assert_eq!(
            mark(&[(header::ETAG, "\"a\""), dated.clone()]).as_deref(),
            Some("\"a\"")
        );
        assert_eq!(
            mark(&[(header::ETAG, "W/\"a\""), dated]).as_deref(),
            Some(date)
        );
        assert_eq!(mark(&[(header::ETAG, "W/\"a\"")]), None);
    }
}
