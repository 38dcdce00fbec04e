# Two commands matter: `make run` and `make test`. Both start from a bare clone and take seconds the second time.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
# `make run ARGS="--model small --port 9000"`
ARGS   ?=

.PHONY: run phone setup test lint browser bench train-builtin examine-builtin bench-pictures codecs network steady pictures faults fuzz soak overload
.PHONY: reliability page-soak timeline pins bless docs clean

run: setup
	$(BIN)/splatcam serve $(ARGS)

phone: setup    ## a phone in the same network is the camera: it scans the code, this machine watches
	$(BIN)/splatcam serve --https self-signed --host 0.0.0.0 $(ARGS)

setup: $(VENV)/.runtime web/node_modules/.stamp

test: setup $(VENV)/.test tests/node_modules/.stamp
	$(BIN)/python -m tests.rings

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/hadolint --failure-threshold info Dockerfile

browser:        ## Chromium, for the page's tests (Debian and Ubuntu)
	@command -v chromium || command -v chromium-browser || command -v google-chrome || (apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
	  || (echo "splatcam needs Python 3.11 or 3.12; run 'make PYTHON=python3.11 setup'." && exit 1)
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || (echo "Python cannot make virtual environments here; on Debian: apt-get install python3-venv" && exit 1)
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python requirements/torch.txt requirements/cuda.txt requirements/runtime.txt requirements/da3.txt pyproject.toml
	@echo "Installing the Python packages (a minute; several GB where only the CUDA build of torch is in reach)"
	$(PIP) install -r requirements/torch.txt -c requirements/cuda.txt
	$(PIP) install --no-deps -r requirements/runtime.txt -r requirements/da3.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime requirements/test.txt
	$(PIP) install --no-deps -r requirements/test.txt
	@touch $@

%/node_modules/.stamp: %/package-lock.json
	@command -v npm >/dev/null || (echo "npm is missing: the page's packages come from it. On Debian: apt-get install npm" && exit 1)
	cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

pins:           ## resolve the requirement files again
	$(PYTHON) -m venv $(VENV)-pins && $(VENV)-pins/bin/pip install --quiet uv
	cd requirements && C="../$(VENV)-pins/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links -c constraints.in" \
	  && $$C torch.txt runtime.in -o cuda.txt \
	  && $$C --excludes not-on-cpu.txt --no-emit-package torch torch.txt runtime.in -o runtime.txt \
	  && $$C --excludes not-on-cpu.txt --no-emit-package torch -c runtime.txt -c torch.txt test.in -o test.txt \
	  && $$C --generate-hashes -c cuda.txt torch.txt runtime.in -o image.txt \
	  && $$C --generate-hashes --no-deps da3.txt -o image-da3.txt
	rm -rf $(VENV)-pins

bless: setup    ## write the golden files again, after a change that means to change them
	$(BIN)/python -m tests.golden.bless

bench: setup    ## write docs/benchmarks.md: make bench CLIP=a-video-of-a-webcam.mp4
	$(BIN)/python -m splatcam.bench.table $(CLIP)

codecs: setup tests/node_modules/.stamp    ## write docs/codecs.md: make codecs CLIPS="a-video.mp4 another.mkv"
	$(BIN)/python -m splatcam.bench.codecs $(CLIPS)

network: setup  ## write docs/network.md, in about 20 minutes: make network CLIPS="a-video.mp4 another.mkv"
	$(BIN)/python -m splatcam.bench.network $(CLIPS)

bench-pictures: setup    ## write docs/pictures.md: make bench-pictures CLIPS="one.mp4 two.mp4"
	$(BIN)/python -m splatcam.bench.pictures $(CLIPS)

# The strips are shown to everybody: STRIP is a clip without a person.
steady: setup   ## write docs/steadiness.md and its pictures: make steady CLIPS="one.mp4 two.mkv" STRIP=one.mp4
	$(BIN)/python -m splatcam.bench.steadiness $(CLIPS)
	$(BIN)/python -m splatcam.bench.steady_pictures $(STRIP)

timeline: setup tests/node_modules/.stamp    ## write docs/timeline-speed.md: make timeline CLIP=a-video-of-a-webcam.mp4
	$(BIN)/python -m splatcam.bench.timeline_page $(CLIP)

# Where a CUDA device is at hand: make train-builtin TRAIN='$(TRAIN_GPU)'. training/README.md says what was committed.
TRAIN     ?= --steps 15260 --small-steps 5500
TRAIN_GPU := --device cuda --workers 14 --scenes 96 --pairs 32 --rate 3e-3 --steps 24000 --small-steps 8000
train-builtin: setup    ## the weights of the built-in model from nothing; goes on where it was stopped
	$(BIN)/python -m training.train build/builtin $(TRAIN)
	cp build/builtin/builtin.safetensors splatcam/estimators/builtin.safetensors
	cp build/builtin/figures.csv build/builtin/figures.svg training/

examine-builtin: setup  ## write docs/builtin.md: make examine-builtin CLIPS="one.mp4 two.mkv" SHOWN=one.mp4
	$(BIN)/python -m training.evaluate --clips $(CLIPS) --shown $(SHOWN)

docs: setup     ## write the generated documents again
	$(BIN)/python -m splatcam.docs

faults: setup   ## every kind of fault twenty times over the real service, in about 40 minutes
	$(BIN)/python -m tests.faults.suite --json build/reliability/faults.json

fuzz: setup $(VENV)/.test    ## a million damaged messages, 200,000 damaged JPEGs, poison and hostile websockets: half an hour
	@mkdir -p build/reliability
	$(BIN)/python -m tests.hostile.fuzz --messages 1000000 --jpegs 200000 --json build/reliability/fuzz.json
	$(BIN)/python -m tests.hostile.fuzz --service --json build/reliability/poison.json
	$(BIN)/python -m tests.hostile.websockets --json build/reliability/messages.json

soak: setup     ## half an hour of clients that come and go
	$(BIN)/python -m tests.faults.soak --json build/reliability/soak.json

overload: setup ## more frames, sessions and messages than there is time for
	@mkdir -p build/reliability
	$(BIN)/python -m splatcam.bench.overload --json build/reliability/overload.json

reliability: setup    ## write docs/reliability.md from what those four have left
	$(BIN)/python -m tests.faults.document build/reliability

page-soak: setup tests/node_modules/.stamp    ## ten minutes of a live page in which nothing may grow: docs/page-soak.md
	SPLATCAM_TEST_PYTHON=$(BIN)/python node tests/e2e/soak.mjs

pictures: setup tests/node_modules/.stamp $(VENV)/.test    ## take the pictures of docs/images again
	SPLATCAM_TEST_PYTHON=$(BIN)/python node tests/e2e/screenshots.mjs build/pictures
	mkdir -p docs/images
	cd build/pictures && cp desktop-turned.jpg desktop-settings.jpg desktop-no-permission.jpg phone-live.jpg ../../docs/images

clean:
	rm -rf $(VENV) web/node_modules tests/node_modules
