use std::sync::Arc;

use serde_json::Value;
use tollgate_store::backend::{Backend, Memory};
use tollgate_store::document::DocumentId;

use crate::conformance::{self, Place};
use crate::sample::namespace;

struct Shared(Memory);

#[async_trait::async_trait]
impl Place for Shared {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(self.0.clone())
    }

    async fn put(&self, id: DocumentId, json: Value) {
        self.0.put(id, json);
    }
}

#[tokio::test]
async fn memory_keeps_every_promise() {
    conformance::hold(|| Shared(Memory::new(&namespace()))).await;
}
