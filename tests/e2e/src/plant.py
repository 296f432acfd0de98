"""Plants symlinks inside a container, as its root, and keeps it alive.

Arguments: the folder of the host that the links shall lead to, then paths. A
path becomes a link to FOLDER/PATH-WITH-DASHES. Inside, that name leads back to
what was replaced, so that the system goes on as if nothing had happened: only
on the host does the link lead somewhere else.

Must run in a mount namespace of its own (`unshare -m`): there what init mounted
over /usr can be taken away, so that /usr and what is below it can be replaced.
"""

import glob
import os
import subprocess
import sys

victims, paths = sys.argv[1], sys.argv[2:]
umount = glob.glob("/nix/store/*-berth-test-tools/bin/umount")[0]
subprocess.run([umount, "-l", "/usr"], check=True)
os.makedirs(victims, exist_ok=True)


def replace_parent(path, kept):
    """A mount point stays, and so does what belongs to the host; but the folder
    around it can be replaced by one with everything else in it."""
    parent = os.path.dirname(path)
    os.rename(parent, kept)
    os.mkdir(parent, 0o755)
    for entry in os.listdir(kept):
        if entry == os.path.basename(path):
            continue
        try:
            os.rename(f"{kept}/{entry}", f"{parent}/{entry}")
        except OSError:
            os.symlink(f"{kept}/{entry}", f"{parent}/{entry}")
    return f"{kept}/{os.path.basename(path)}"


for number, relative in enumerate(paths):
    path = "/" + relative
    kept = f"/kept-{number}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        try:
            os.rename(path, kept)
        except OSError:
            kept = replace_parent(path, kept)
    link = f"{victims}/{relative.replace('/', '-')}"
    os.symlink(kept, link)
    os.symlink(link, path)
