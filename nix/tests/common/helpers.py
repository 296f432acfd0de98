import json
import shlex


def told(machine, command):
    """What a command of Berth prints as JSON."""
    return json.loads(machine.succeed(f"{command} --json"))


def as_ada(machine, command):
    """Runs a command as an operator, who is not root."""
    return machine.succeed(f"su - ada -c {shlex.quote(command)}")


def inside(machine, name, command):
    """Runs a shell command in an agent, and returns what it prints."""
    return machine.succeed(f"agent run {name} -- sh -c {shlex.quote(command)}")


def site(slug):
    """The words for curl that ask for a preview by its own name."""
    name = f"{slug}.preview.test"
    return f"-sS --fail --max-time 20 --insecure --resolve {name}:443:127.0.0.1 https://{name}/"


def page(machine, slug):
    """What a preview answers."""
    return machine.succeed(f"curl {site(slug)}")


def settles(machine, slug, content):
    """Waits until a preview answers this."""
    machine.wait_until_succeeds(
        f'test "$(curl {site(slug)})" = {shlex.quote(content)}', timeout=300
    )


def is_well(machine):
    """Berth finds no error on the host."""
    _code, printed = machine.execute("agent doctor --json")
    errors = [one for one in json.loads(printed)["findings"] if one["severity"] == "error"]
    assert errors == [], errors


def push(forge, repository, command, message):
    """Commits what a shell command makes of the files of a repository."""
    forge.succeed(
        f"cd /root/{repository} && {command} && git add --all"
        f" && git commit --quiet --message {shlex.quote(message)}"
        " && git push --quiet origin main"
    )


def add_repository(forge, repository, files):
    """Makes `acme/REPOSITORY` with the files of a folder."""
    forge.succeed(
        f"git init --quiet --bare /srv/forge/acme/{repository}.git",
        f"git init --quiet /root/{repository}",
        f"git -C /root/{repository} remote add origin /srv/forge/acme/{repository}.git",
    )
    push(forge, repository, f"cp --no-preserve=mode -r {files}/. .", "first")


def github(machine, do, **what):
    """Lets people do something on the GitHub that is not there."""
    command = shlex.quote(json.dumps({"do": do, **what}))
    answer = machine.succeed(
        f"curl -sS --fail-with-body --data-binary {command} http://127.0.0.1:8429/"
    )
    return json.loads(answer or "null")


def add_to_github(machine, files):
    """Makes `acme/site` there with the files of a folder; ada may write."""
    names = machine.succeed(f"ls {files}").split()
    texts = {name: machine.succeed(f"cat {files}/{name}") for name in names}
    github(machine, "add_repo", repo="acme/site", files=texts)
    github(machine, "set_role", repo="acme/site", user="ada", role="write")
