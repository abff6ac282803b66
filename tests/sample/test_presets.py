from ml_sys.sample import generator
from ml_sys.sample.presets import GENERATORS


def test_without_a_preset_the_sample_is_that_of_the_default_description(mlsys, tmp_path):
    said = mlsys("sample", tmp_path / "default", "--companies", 50, "--weeks", 5, "--seed", 1)
    generator.generate(tmp_path / "hubspot", companies=50, weeks=5, seed=1)
    assert "customers.csv" in said.stdout
    for file in (tmp_path / "hubspot").iterdir():
        assert (tmp_path / "default" / file.name).read_bytes() == file.read_bytes()


def test_a_product_is_chosen_by_its_preset(mlsys, tmp_path):
    said = mlsys("sample", tmp_path, "--preset", "product", "--companies", 50, "--weeks", 5)
    assert "events.csv" in said.stdout
    assert "of free workspaces pay within 30 days" in " ".join(said.stdout.split())
    assert (tmp_path / "mlsys.toml").is_file()


def test_every_preset_has_a_generator():
    assert set(GENERATORS) == {"hubspot", "product"}
