from nodulerisk.cli import app

app()
