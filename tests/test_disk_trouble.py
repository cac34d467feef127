import errno

import pytest

from service.disk_trouble import unavailable_of


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EACCES, "not_writable"),
        (errno.EROFS, "not_writable"),
        (errno.EIO, "disk_trouble"),
        (errno.ESTALE, "disk_trouble"),
    ],
)
def test_each_kind_of_trouble_has_its_word_and_no_path(number: int, code: str):
    away = unavailable_of(OSError(number, "as the system says it", "/mnt/nas/someone/cat.jpg"))
    assert away.code == code
    assert "cat.jpg" in away.title
    assert "/" not in away.title + away.fix
    assert away.fix


def test_names_that_are_no_utf8_and_errors_without_a_name_are_said_all_the_same():
    assert unavailable_of(OSError(errno.EIO, "broken", b"/mnt/\xff.jpg")).title.encode()
    assert "its files" in unavailable_of(OSError(errno.ENOSPC, "full")).title
    assert unavailable_of(TimeoutError("no answer from /mnt/nas")).title == "TimeoutError (its files)."
