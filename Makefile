# make demo | serve | test | test-all | parity | faults | fuzz | messages | docs | bench | bench-cohort: each sets up all it needs in .venv.
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
TORCH := 2.13.0
KERAS := build/keras-venv/bin/python
PEERS := build/peers-venv
# The panel is for Slicer 5.12 and later; the page's views exist for slicer-core 5.11 alone, which .venv has.
NEWER_SLICER := slicer-core==5.13.31053.0 vtk==9.6.2
NEWER := build/newer-slicer-venv

.PHONY: demo serve test test-all test-newer-slicer bench bench-cohort phantoms follow-pairs evidence faults fuzz messages parity docs lint clean

demo: $(VENV)/.core
	$(BIN)/nodulerisk assess Resources/SampleData/demo-thin-ct.mha \
		--points Resources/SampleData/demo-thin-point.mrk.json --out demo-output/thin
	$(BIN)/nodulerisk assess Resources/SampleData/demo-chest-ct.zip \
		--points Resources/SampleData/demo-point.mrk.json --out demo-output/thick

serve: $(VENV)/.web
	$(BIN)/nodulerisk serve

test: $(VENV)/.test lint # the quick tests, of Testing/Data alone: they prove as much on every machine
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-all: $(VENV)/.test lint # the long ones too; a few need whole data sets in ../shared and are listed where it is missing
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "slow or not slow"
	$(MAKE) test-newer-slicer

test-newer-slicer: $(NEWER)/.made # scene and panel again, with the MRML of a Slicer that the panel is for
	PYTHONPATH=LungNoduleRisk $(NEWER)/bin/python -m pytest -m "slow or not slow" Testing/Scene Testing/Panel

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=LungNoduleRisk $(BIN)/lint-imports

parity: $(VENV)/.test # with what the authors' own code answered, which lies in Testing/Data
	$(BIN)/python Testing/parity.py

faults: $(VENV)/.test # the table of Testing/FAULTS.md with what its tests say
	$(BIN)/python Testing/faults.py

fuzz: $(VENV)/.test # N mutated headers and point files against independent readers
	$(BIN)/python Testing/fuzz.py -n $(or $(N),2000) --seed $(or $(SEED),18)

messages: $(VENV)/.test # each language's catalog, with the words that the sources have now
	PYTHONPATH=LungNoduleRisk $(BIN)/python Testing/messages.py

phantoms: $(VENV)/.test
	$(BIN)/python Testing/phantoms.py

follow-pairs: $(VENV)/.test # writes the table in Docs/followup.md
	$(BIN)/python Testing/follow_pairs.py --write

evidence: $(VENV)/.test
	PYTHONPATH=Testing $(BIN)/python Testing/evidence.py

bench: $(PEERS)/.made $(KERAS)
	PYTHONPATH=Testing/Bench $(PEERS)/bin/python -m bench --keras-python $(KERAS) --out demo-output/bench.md
	PYTHONPATH=Testing/Bench:Testing/Web:Testing $(BIN)/python -m page_bench

bench-cohort: $(VENV)/.test
	PYTHONPATH=Testing/Bench:Testing/Core/made $(BIN)/python -m cohort_bench --out demo-output/bench-cohort.md

docs: $(VENV)/.docs # opens from the disk: build/docs/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

$(VENV)/.core: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PYTHON) Resources/install_torch.py $(BIN)/python $(TORCH)
	$(BIN)/python -m pip install --quiet -c Resources/constraints.txt -e .
	touch $@

$(VENV)/.web: $(VENV)/.core
	$(BIN)/python -m pip install --quiet -c Resources/constraints.txt -e ".[dicom,web]"
	touch $@

$(VENV)/.test: $(VENV)/.core
	$(BIN)/python -m pip install --quiet -c Resources/constraints.txt -e ".[train,dicom,web,cohort,tables,export,test]"
	sh Testing/Host/libraries.sh
	$(BIN)/npm ci --prefix Testing/Clients/node --ignore-scripts --omit=optional --no-audit --no-fund --silent
	touch $@

$(VENV)/.docs: $(VENV)/.core
	$(BIN)/python -m pip install --quiet -c Resources/constraints.txt -e ".[docs]"
	touch $@

$(NEWER)/.made: $(VENV)/.test # all of .venv, but for slicer-core and its VTK
	$(BIN)/python -m venv $(NEWER)
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" > \
		$$($(NEWER)/bin/python -c "import site; print(site.getsitepackages()[0])")/of-venv.pth
	$(NEWER)/bin/python -m pip install --quiet --no-deps $(NEWER_SLICER)
	touch $@

$(KERAS): # a throw-away environment: TensorFlow is measured against, never used
	$(PYTHON) -m venv build/keras-venv
	$(KERAS) -m pip install --quiet "tensorflow-cpu>=2.15,<2.16; python_version < '3.12'" \
		"tensorflow-cpu>=2.16,<3; python_version >= '3.12'"

$(PEERS)/.made: $(VENV)/.test # all of .venv, and what is measured against
	$(BIN)/python -m venv $(PEERS)
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" > \
		$$($(PEERS)/bin/python -c "import site; print(site.getsitepackages()[0])")/of-venv.pth
	$(PEERS)/bin/python -m pip install --quiet "onnxruntime>=1.20" "nncf>=3"
	touch $@

clean:
	rm -rf $(VENV) build demo-output
