from catactl.cli.main import main

main()
