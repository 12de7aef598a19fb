//! Against the fake that enforces AWS's limits, and against LocalStack where `TOLLGATE_TEST_LOCALSTACK` names its
//! endpoint; see `acceptance/localstack/start.sh`.

mod account;
mod bulk;
mod connection;
mod crash;
mod documents;
mod races;
mod replicas;
mod reshard;
mod rollover;
mod tokens;
