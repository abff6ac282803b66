"""What tables mean, once columns have been read."""

from __future__ import annotations

import json
from dataclasses import asdict

from ml_sys.form import Form, Measure, Noun, form_from_plain, ordered
from ml_sys.settings.description import SchemaSettings

CLICK = Measure("clicks", "actions", "page", Noun("click", "clicks"))
READERS = Measure("readers", "users", "page", Noun("person", "people"))
MINUTES = Measure("minutes", "amount", "video", Noun("minute", "minutes"), verb="watched", digits=3)


def test_actions_come_before_amounts_and_these_before_users():
    assert ordered((READERS, MINUTES, CLICK)) == (CLICK, MINUTES, READERS)


def test_a_form_knows_the_places_of_a_role_and_its_objects():
    form = Form(measures=(CLICK, MINUTES, READERS))
    assert form.of_role("amount") == (1,)
    assert form.of_role("users") == (2,)
    assert form.n_activity == 2
    assert form.objects == ("page",)


def test_a_form_survives_being_written_as_json():
    form = SchemaSettings().form()
    assert form_from_plain(json.loads(json.dumps(asdict(form)))) == form
