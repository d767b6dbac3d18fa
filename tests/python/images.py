# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images for the tests: copies of those that images/unpack made, and ones that make_image builds."""

import os
import pathlib
import shutil
import subprocess

UNPACKED = pathlib.Path(os.environ["QCOW2BM_IMAGES"])


def copied(folder, name):
    """A copy of one of images/ in the folder, to work on."""
    shutil.copy(UNPACKED / name, folder / name)
    return folder / name


def made(folder, name, *lines):
    """An image of the language of tests/hostile/README."""
    path = folder / name
    recipe = "\n".join(lines) + "\n"
    subprocess.run(["make_image", "/dev/stdin", str(path)], input=recipe.encode(), check=True)
    return path


def program(*arguments):
    """What qcow2bm prints."""
    done = subprocess.run(
        [os.environ["QCOW2BM"], *map(str, arguments)], stdout=subprocess.PIPE, check=True
    )
    return done.stdout.decode()
