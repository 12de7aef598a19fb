# Applies to a folder beside this file, asks, and removes everything again. Nothing that is served is touched.

provider "tollgate" {
  namespace = "policy-tests"
  directory = "./.tollgate"
}

run "a_partner_reads_orders" {
  assert {
    condition     = data.tollgate_decision.asked.allowed
    error_message = data.tollgate_decision.asked.reason
  }

  assert {
    condition     = data.tollgate_decision.asked.scope == "orders:read"
    error_message = "Something else than orders:read lets it pass."
  }
}

run "a_partner_does_not_delete_them" {
  variables {
    request = { method = "DELETE" }
  }

  assert {
    condition     = data.tollgate_decision.asked.code == "scope_insufficient"
    error_message = "It is not the scopes that refuse it: ${data.tollgate_decision.asked.reason}"
  }
}

run "nor_does_it_read_invoices" {
  variables {
    request = { path = "/v1/invoices/1" }
  }

  assert {
    condition     = data.tollgate_decision.asked.code == "scope_insufficient"
    error_message = data.tollgate_decision.asked.reason
  }
}

run "the_eleventh_request_of_a_minute_is_one_too_many" {
  variables {
    request = { requests = 11 }
  }

  assert {
    condition     = data.tollgate_decision.asked.code == "quota_exceeded" && data.tollgate_decision.asked.quota == "free"
    error_message = "It is not the quota that refuses it: ${data.tollgate_decision.asked.reason}"
  }
}

run "an_expired_key_opens_nothing" {
  variables {
    request = { at = "2046-06-30T00:00:00Z" }
  }

  assert {
    condition     = data.tollgate_decision.asked.code == "credential_expired"
    error_message = data.tollgate_decision.asked.reason
  }
}

run "nobody_gets_nothing" {
  variables {
    request = { key = "" }
  }

  assert {
    condition     = data.tollgate_decision.asked.code == "credential_missing"
    error_message = data.tollgate_decision.asked.reason
  }
}
