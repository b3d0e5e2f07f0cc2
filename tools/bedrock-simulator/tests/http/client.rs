//! A client of a few lines, so that what goes over the wire is seen as it is.

use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const MODELS: &str = "GET /foundation-models";
pub const PROFILES: &str = "GET /inference-profiles";
pub const REGIONS: &str = "POST /listRegions";

pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The ids in the list of a Bedrock answer.
    pub fn ids(&self) -> Vec<String> {
        let json = self.json();
        let list = json
            .get("modelSummaries")
            .or_else(|| json.get("inferenceProfileSummaries"));
        let id = |item: &Value| {
            item.get("modelId")
                .or_else(|| item.get("inferenceProfileId"))
                .cloned()
        };
        let ids = list
            .unwrap()
            .as_array()
            .unwrap()
            .iter()
            .map(|item| id(item).unwrap());
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    pub fn next_token(&self) -> Option<String> {
        self.json()
            .get("nextToken")
            .map(|token| token.as_str().unwrap().to_owned())
    }
}

/// Asks as the SDKs do, signed for that region.
pub async fn ask(address: SocketAddr, region: &str, request: &str) -> Answer {
    let signature = signature("AKIDEXAMPLE", region);
    send(address, request, &signature, "").await.unwrap()
}

pub fn signature(identity: &str, region: &str) -> String {
    format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={identity}/20261101/{region}/bedrock/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=00\r\n"
    )
}

/// Sends a request with these header lines, and reads until the server closes.
pub async fn send(
    address: SocketAddr,
    request: &str,
    headers: &str,
    body: &str,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(parse(&answer))
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    Answer {
        status,
        headers: lines.map(header).collect(),
        body: body.to_owned(),
    }
}

/// For the query of a URL.
pub fn escaped(token: &str) -> String {
    let byte = |mut text: String, byte| {
        write!(text, "%{byte:02X}").unwrap();
        text
    };
    token.bytes().fold(String::new(), byte)
}
