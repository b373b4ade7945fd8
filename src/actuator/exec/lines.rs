//! What a program prints, line by line and never more than a limit.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes asked for at a time.
const CHUNK_BYTES: usize = 8 * 1024;

/// Lines of a stream.
pub(super) struct Lines<R> {
    from: R,
    buffer: BytesMut,
    /// Bytes at the front of the buffer that hold no line feed.
    searched: usize,
    limit: usize,
}

/// Why there is no next line.
#[derive(Debug)]
pub(super) enum NoLine {
    /// It is longer than the limit, in bytes.
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The stream failed.
    Failed(io::Error),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most `limit` bytes.
    pub(super) fn new(from: R, limit: usize) -> Self {
        Self { from, buffer: BytesMut::new(), searched: 0, limit }
    }

    /// The next line without its line feed, or nothing at the end. What
    /// stands after the last line feed is a line as well.
    ///
    /// Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, NoLine> {
        loop {
            let found = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n');
            let length = found.map_or(self.buffer.len(), |at| self.searched + at);
            if length > self.limit {
                return Err(NoLine::TooLong { limit: self.limit });
            }
            self.searched = length;
            if found.is_some() {
                return Ok(Some(self.take(length + 1)));
            }
            self.buffer.reserve(CHUNK_BYTES);
            if self.from.read_buf(&mut self.buffer).await.map_err(NoLine::Failed)? == 0 {
                return Ok((length > 0).then(|| self.take(length)));
            }
        }
    }

    /// What came after the last line feed, where its end cannot be waited for.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        (!self.buffer.is_empty()).then(|| self.take(self.buffer.len()))
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.searched = 0;
        let mut line = self.buffer.split_to(length).freeze();
        if line.ends_with(b"\n") {
            line.truncate(length - 1);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_one_by_one_and_within_the_limit() {
        #[rustfmt::skip]
        let cases: [(&str, &[&str], bool); 7] = [
            // printed             lines                  then too long
            ("",                   &[],                   false),
            ("a\n",                &["a"],                false),
            ("a",                  &["a"],                false),
            ("a\n\nb\n",           &["a", "", "b"],       false),
            ("12345678\nb",        &["12345678", "b"],    false),
            ("a\n123456789\n",     &["a"],                true),
            ("a\n123456789",       &["a"],                true),
        ];
        for (printed, expected, too_long) in cases {
            let mut lines = Lines::new(printed.as_bytes(), 8);
            for line in expected {
                assert_eq!(lines.next().await.unwrap().unwrap(), line, "{printed:?}");
            }
            match lines.next().await {
                Ok(None) => assert!(!too_long, "{printed:?}"),
                Err(NoLine::TooLong { .. }) => assert!(too_long, "{printed:?}"),
                other => panic!("{printed:?}: {other:?}"),
            }
        }
    }
}
