from ltp_deploy.errors import needs_build

needs_build("verifying a bundle")
