//! Text that is compressed while it is written. For clients that do not accept that, it is inflated while it is sent. A
//! text of hundreds of megabytes takes a few in memory.

use std::fmt;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::iter;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use futures::stream;

/// What is compressed at once.
const WRITTEN_PIECE: usize = 64 * 1024;
/// What is inflated at once. Each connection that reads has one.
const SENT_PIECE: usize = 16 * 1024;

/// Compresses what is written to it.
#[derive(Debug)]
pub(super) struct Compressor {
    out: BufWriter<GzEncoder<Vec<u8>>>,
}

impl Compressor {
    /// The text that `write` writes.
    pub(super) fn compress(
        write: impl FnOnce(&mut Self) -> fmt::Result,
    ) -> io::Result<CompressedText> {
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let mut compressor = Self {
            out: BufWriter::with_capacity(WRITTEN_PIECE, encoder),
        };
        write(&mut compressor).map_err(io::Error::other)?;
        let encoder = compressor.out.into_inner().map_err(io::Error::other)?;
        let mut compressed = encoder.finish()?;
        compressed.shrink_to_fit();
        Ok(CompressedText(compressed.into()))
    }
}

impl fmt::Write for Compressor {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The encoder writes to memory.
        self.out.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// In the gzip format.
#[derive(Clone, Debug)]
pub(super) struct CompressedText(Bytes);

impl CompressedText {
    pub(super) fn gzip(self) -> Bytes {
        self.0
    }

    /// The text, piece by piece.
    pub(super) fn inflate(self) -> Body {
        let mut decoder = GzDecoder::new(io::Cursor::new(self.0));
        let pieces = iter::from_fn(move || {
            let mut piece = vec![0; SENT_PIECE];
            match decoder.read(&mut piece) {
                Ok(0) => None,
                Ok(length) => {
                    piece.truncate(length);
                    Some(Ok(Bytes::from(piece)))
                }
                Err(error) => Some(Err(error)),
            }
        });
        Body::from_stream(stream::iter(pieces))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn series_of_megabytes_take_kilobytes_and_are_sent_as_they_were() {
        let line = "bedrock_model_map_region_models{namespace=\"team-a\",name=\"claude\",region=\"us-east-1\"} 12\n";
        let compressed =
            Compressor::compress(|out| (0..50_000).try_for_each(|_| out.write_str(line)));
        let compressed = compressed.unwrap();
        let (length, whole) = (compressed.clone().gzip().len(), line.len() * 50_000);
        assert!(length < whole / 10, "{length} of {whole}");
        let sent = compressed.inflate().collect().await.unwrap().to_bytes();
        assert!(sent == line.repeat(50_000), "{} of {whole}", sent.len());
    }
}
