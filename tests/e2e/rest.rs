//! A caller of REST.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Rest {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The id of the job that it is about.
    pub(crate) fn job_id(&self) -> String {
        let json = self.json();
        let id = json["job"]["id"].as_str();
        id.unwrap_or_else(|| panic!("no job in {self:?}"))
            .to_owned()
    }
}

impl Rest {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let asked = self.call(Method::GET, path, &[], String::new()).await;
        asked.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let asked = self.call(Method::GET, path, headers, String::new()).await;
        asked.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Submits what is expected to be taken, and returns the job's id.
    pub(crate) async fn submit(&self, body: &str) -> String {
        let answer = self.post(body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.job_id()
    }

    pub(crate) async fn post(&self, body: &str) -> Answer {
        let asked = self.try_post(body, None).await;
        asked.unwrap_or_else(|error| panic!("POST /jobs: {error}"))
    }

    /// Posts a job; an error is one of the connection.
    pub(crate) async fn try_post(&self, body: &str, key: Option<&str>) -> Result<Answer, String> {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.call(Method::POST, "/jobs", &headers, body.to_owned())
            .await
    }

    /// Posts JSON elsewhere.
    pub(crate) async fn post_to(&self, path: &str, body: &str) -> Answer {
        let json = [("content-type", "application/json")];
        let asked = self.call(Method::POST, path, &json, body.to_owned()).await;
        asked.unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body)).unwrap();
        let answer = self.client.request(request).await;
        let (parts, body) = answer.map_err(|error| format!("{error:?}"))?.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        })
    }
}
