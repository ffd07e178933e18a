//! An offer that is understood has everything an update needs, and the same offer written plainly is understood as the same.

use serde_json::{Value as Json, json};
use supervisor_core::alink::codec::{
    Digest, FileOffer, Id, LONGEST_PAYLOAD, Offer, OfferFrom, Source, Url, parse_offer,
};

use crate::in_few_words;

/// Whether the payload offers something.
pub(super) fn read(payload: &[u8]) -> bool {
    let pushed = parse_offer(payload, OfferFrom::Push);
    let replied = parse_offer(payload, OfferFrom::Reply).map(|offer| {
        offer.map(|offer| {
            assert_eq!(offer.from, OfferFrom::Reply);
            let from = OfferFrom::Push;
            Offer { from, ..offer }
        })
    });
    assert_eq!(pushed, replied, "it matters how the offer came");
    match pushed {
        Ok(None) => false,
        Ok(Some(offer)) => {
            is_whole(&offer);
            let plainly = plain(&offer).to_string();
            if plainly.len() <= LONGEST_PAYLOAD {
                let again = parse_offer(plainly.as_bytes(), OfferFrom::Push);
                assert_eq!(again, Ok(Some(offer)), "{plainly}");
            }
            true
        }
        Err(fault) => {
            in_few_words(&fault);
            false
        }
    }
}

fn is_whole(offer: &Offer) {
    assert!(offer.size > 0);
    assert!(!matches!(offer.module.as_deref(), Some("" | "default")));
    assert_eq!(offer.version.as_str().parse(), Ok(offer.version.clone()));
    if let Some(id) = &offer.id {
        assert_eq!(Id::new(id.as_str()).as_ref(), Ok(id));
    }
    match &offer.source {
        Source::Http { url } => {
            hides_its_query(url);
            assert!(matches!(offer.digests.len(), 1 | 2));
        }
        Source::Mqtt { .. } => assert!(matches!(offer.digests.len(), 1 | 2)),
        Source::Files(files) => {
            assert!((1..=20).contains(&files.len()));
            assert_eq!(offer.digests, []);
            assert_eq!(offer.size, files.iter().map(|file| file.size).sum::<u64>());
            for file in files {
                hides_its_query(&file.url);
                assert!(file.size > 0 && matches!(file.digests.len(), 1 | 2));
            }
        }
    }
}

/// Whoever reads a log must not be able to fetch the file.
fn hides_its_query(url: &Url) {
    let text = url.as_str();
    assert!(text.len() <= Url::LONGEST);
    let shown = match text.split_once('?') {
        Some((address, _)) => format!("{address}?…"),
        None => text.to_owned(),
    };
    assert_eq!(url.to_string(), shown);
    assert_eq!(format!("{url:?}"), format!("Url({shown})"));
}

/// The offer as the platform's documents write one.
fn plain(offer: &Offer) -> Json {
    let mut data = json!({
        "version": offer.version.as_str(),
        "module": offer.module,
        "isDiff": u8::from(offer.is_diff),
        "digestsign": offer.digest_sign,
        "extData": offer.ext_data,
    });
    if let Some(text) = &offer.package_udi {
        data["extData"]["_package_udi"] = json!(text);
    }
    match &offer.source {
        Source::Http { url } => {
            data["url"] = json!(url.as_str());
            data["size"] = json!(offer.size);
            put_digests(&mut data, &offer.digests, ["sign", "md5"]);
        }
        Source::Mqtt { stream_id, file_id } => {
            data["dProtocol"] = json!("mqtt");
            data["streamId"] = json!(stream_id);
            data["streamFileId"] = json!(file_id);
            data["size"] = json!(offer.size);
            put_digests(&mut data, &offer.digests, ["sign", "md5"]);
        }
        Source::Files(files) => {
            data["files"] = files.iter().map(plain_file).collect();
            data["signMethod"] = method(&files[0].digests);
        }
    }
    json!({"code": 1000, "id": offer.id.as_ref().map(Id::as_str), "data": data})
}

fn plain_file(file: &FileOffer) -> Json {
    let mut json = json!({
        "fileName": file.name,
        "fileSize": file.size,
        "fileUrl": file.url.as_str(),
        "digestsign": file.digest_sign,
    });
    put_digests(&mut json, &file.digests, ["fileSign", "fileMd5"]);
    json
}

fn put_digests(json: &mut Json, digests: &[Digest], fields: [&str; 2]) {
    for (digest, field) in digests.iter().zip(fields) {
        let bytes = digest.bytes().iter();
        let text: String = bytes.map(|byte| format!("{byte:02x}")).collect();
        json[field] = json!(text);
    }
    json["signMethod"] = method(digests);
}

fn method(digests: &[Digest]) -> Json {
    json!(match digests[0] {
        Digest::Md5(_) => "Md5",
        Digest::Sha256(_) => "SHA256",
    })
}
