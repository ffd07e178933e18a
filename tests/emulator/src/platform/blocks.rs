//! Firmware in blocks over MQTT (document 302377): one request, one binary frame.
//!
//! A frame is the length of its JSON header (two bytes, high first), the header, the file's bytes, and their CRC-16/ARC (two
//! bytes, low first). An error is a header without `data` and without anything behind it; what the real platform puts there
//! is not known.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use rumqttc::QoS;
use serde_json::{Value, json};

use super::{Fail, Millis, World};
use crate::faults::FaultName;
use crate::login::DeviceId;
use crate::wire::{Envelope, crc16};

/// The largest block that may be asked for, in bytes.
const LARGEST_BLOCK: u64 = 131_072;
/// The smallest, except at the end of the file.
const SMALLEST_BLOCK: u64 = 256;
/// The largest offset.
const LARGEST_OFFSET: u64 = 16_777_216;

struct Block {
    header: Value,
    bytes: Vec<u8>,
}

impl World {
    pub(super) fn file_download(&mut self, now: Millis, id: &DeviceId, request: &Envelope) {
        if self.faults.strike(FaultName::LostReply).is_some() {
            return;
        }
        let frame = match self.block(id, request) {
            Ok(block) => self.frame(&request.id, &block),
            Err(Fail(code, message)) => error_frame(&request.id, code, &message),
        };
        let topic = Self::down(id).system("thing/file/download_reply");
        let copies = 1 + usize::from(self.faults.strike(FaultName::DuplicateReply).is_some());
        for _ in 0..copies {
            self.publish(now, id, &topic, frame.clone(), QoS::AtMostOnce);
        }
    }

    fn block(&mut self, id: &DeviceId, request: &Envelope) -> Result<Block, Fail> {
        if let Some(strike) = self.faults.strike(FaultName::ErrorHeader) {
            return Err(Fail(
                strike.n.and_then(|n| n.try_into().ok()).unwrap_or(500),
                "fault error-header".to_owned(),
            ));
        }
        let params = &request.params;
        let number = |value: &Value| {
            value
                .as_u64()
                .ok_or_else(|| Fail(460, "request parameter error".to_owned()))
        };
        let stream = number(&params["fileInfo"]["streamId"])?;
        let file = number(&params["fileInfo"]["fileId"])?;
        let (size, offset) = (
            number(&params["fileBlock"]["size"])?,
            number(&params["fileBlock"]["offset"])?,
        );
        let stored = self
            .streamed(id, stream)
            .filter(|_| file == 1)
            .ok_or_else(|| {
                Fail(
                    460,
                    format!("no file {file} in stream {stream} for this device"),
                )
            })?;
        let last = offset + size >= stored.size;
        let sizes = if last { 1 } else { SMALLEST_BLOCK }..=LARGEST_BLOCK;
        if !sizes.contains(&size) || offset > LARGEST_OFFSET || offset >= stored.size {
            return Err(Fail(460, format!("no block of {size} bytes at {offset}")));
        }
        let length = size.min(stored.size - offset);
        let bytes = read_block(&stored.path, offset, length)
            .map_err(|error| Fail(500, error.to_string()))?;
        let mut data = json!({"bOffset": offset, "fileLength": stored.size, "bSize": bytes.len()});
        if let Some(token) = params.get("fileToken") {
            data["fileToken"] = token.clone();
        }
        if let Some(strike) = self.faults.strike(FaultName::WrongOffset) {
            data["bOffset"] = json!(offset + strike.n.unwrap_or(1));
        }
        Ok(Block {
            header: data,
            bytes,
        })
    }

    fn frame(&mut self, request: &str, block: &Block) -> Vec<u8> {
        let header =
            json!({"code": 200, "data": block.header, "id": request, "message": "success"})
                .to_string();
        let mut sum = crc16(&block.bytes);
        if self.faults.strike(FaultName::WrongCrc).is_some() {
            sum = !sum;
        }
        let mut frame = with_length(&header);
        frame.extend_from_slice(&block.bytes);
        frame.extend_from_slice(&sum.to_le_bytes());
        frame
    }
}

fn with_length(header: &str) -> Vec<u8> {
    let length =
        u16::try_from(header.len()).expect("a header holds a handful of numbers and a short token");
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(header.as_bytes());
    frame
}

fn error_frame(request: &str, code: i64, message: &str) -> Vec<u8> {
    with_length(&json!({"code": code, "id": request, "message": message}).to_string())
}

fn read_block(path: &std::path::Path, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
