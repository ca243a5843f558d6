from ltp_deploy.cli import main

main(prog_name="ltp-deploy")
