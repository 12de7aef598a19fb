terraform {
  required_version = ">= 1.11"
  required_providers {
    tollgate = { source = "tollgate/tollgate" }
  }
}

# On AWS: the region and the credentials are found as the AWS command line finds them, where they are not given.
provider "tollgate" {
  namespace       = "prod"
  secrets_manager = { region = "eu-west-1", tags = { team = "platform" } }
}

# On a laptop, or in a test: a folder takes the place of Secrets Manager.
provider "tollgate" {
  alias     = "laptop"
  namespace = "dev"
  directory = "./.tollgate"
}
