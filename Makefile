# Makefile - the commands people type; meson and the scripts do the work.
# SPDX-License-Identifier: GPL-2.0-or-later
BUILD ?= build
PYTHON ?= python3
TIME ?= 1800

.PHONY: all deps full-deps guest-files check check-quick check-full demo bench fuzz clean distclean install help

all: $(BUILD)/build.ninja            ## build the emulator
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	./scripts/install-deps
	./configure --build-dir=$(BUILD)

deps:                                ## install the Debian packages that are missing
	./scripts/install-deps

full-deps:                           ## and those of check-full, before it is built: GTK is one
	./scripts/install-deps --full

guest-files: deps                    ## fetch Debian's riscv64 kernel, firmware and busybox; pack the initramfs
	./scripts/fetch-guest-files
	./scripts/build-guest

check: deps all guest-files          ## everything that must pass before a change lands (15 minutes at most)
	$(PYTHON) scripts/run-checks --build $(BUILD)

check-quick: all                     ## lint and unit tests only (30 seconds)
	meson test -C $(BUILD) --suite quick

check-full: full-deps all guest-files ## check with every case, in parts; goes on where it was stopped (AGAIN=1: anew; PART=name: one)
	$(PYTHON) scripts/run-full --build $(BUILD) $(if $(AGAIN),--again) $(if $(PART),--part '$(PART)')

demo: deps all                       ## boot Linux, hand it over to and fro under traffic, draw what happened
	$(PYTHON) scripts/demo.py --build $(BUILD)

bench: deps all guest-files          ## compare boot and handoff with QEMU (installs qemu-system-misc)
	./scripts/install-deps --bench
	$(PYTHON) bench/boot/run.py --build $(BUILD)
	$(PYTHON) bench/handoff/run.py --build $(BUILD) --out bench-out

fuzz:                                ## fuzz each decoder for TIME seconds (1800) with clang and libFuzzer
	./scripts/install-deps --fuzz
	./configure --fuzz
	ninja -C build-fuzz fuzz-targets
	$(PYTHON) scripts/run-fuzz --time $(TIME)

install: all                         ## install under the configured prefix
	meson install -C $(BUILD)

clean:                               ## remove what was built
	test ! -f $(BUILD)/build.ninja || ninja -C $(BUILD) clean
	rm -rf demo-out bench-out

distclean:                           ## remove the build folders
	rm -rf build build-asan build-tsan build-debug build-fuzz demo-out bench-out fuzz-out

help:                                ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' Makefile
