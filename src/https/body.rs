//! What an HTTP response carries: all of it at once, or as it comes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::header;
use tokio::sync::mpsc;

/// The body of a response.
#[derive(Debug)]
pub(super) enum Body {
    /// It is there.
    Whole(Full<Bytes>),
    /// It is over when nobody sends any more.
    Coming(mpsc::Receiver<Bytes>),
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(whole: B) -> Self {
        Self::Whole(Full::new(whole.into()))
    }
}

/// The same response as the answer to HEAD: without its body, and with the length that it
/// would have (RFC 9110, section 8.6). hyper sees to that over HTTP/1.1, and not over HTTP/2.
pub(super) fn without_body(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    *response.body_mut() = Body::from(Bytes::new());
    response
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context),
            Self::Coming(coming) => {
                coming.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Coming(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Coming(_) => SizeHint::default(),
        }
    }
}
