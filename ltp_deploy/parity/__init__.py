from ltp_deploy.errors import needs_build

needs_build("comparing with the oracle")
