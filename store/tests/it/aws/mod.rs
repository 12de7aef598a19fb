//! Against LocalStack where `TOLLGATE_TEST_LOCALSTACK` names its endpoint; see `acceptance/localstack/start.sh`.

mod connection;
mod documents;
mod localstack;
mod races;
