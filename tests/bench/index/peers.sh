#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the peers of make bench-index, each as a module of its own, for this machine:
#
#     peers.sh FOLDER
#
# FOLDER receives NAME.so for each peer that can be had, and NAME.skipped with one line that says
# why for each that can not.  What is there already stays; remove it to fetch it again.  Headers
# and libraries come from Debian's packages (libhnswlib-dev) or, the newest of each, from
# the Python package index through pip; nothing of them is part of ragd.
set -eu
top=$(cd "$(dirname "$0")/../../.." && pwd)
here=$top/tests/bench/index
CXX=${CXX:-g++}
PYTHON=${PYTHON:-python3}
flags="-std=c++17 -O3 -march=native -DNDEBUG -fPIC -shared -fvisibility=hidden -fno-gnu-unique
       -pthread -w -Wl,-z,defs -I$here"
[ $# -eq 1 ] || { sed -n 's/^# \{0,1\}//; 3,10p' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)

skip() {
        echo "$2" > "$out/$1.skipped"
        echo "peers: $1 is skipped: $2"
}

# build NAME SOURCE ABOUT FLAG…: one module.
build() {
        name=$1 source=$2 about=$3
        shift 3
        echo "peers: $name $about"
        # shellcheck disable=SC2086 # a list of words; the libraries last
        if $CXX $flags -DPEER_NAME="\"$name\"" -DPEER_ABOUT="\"$about\"" \
                "$here/$source" "$@" -o "$out/$name.part" 2> "$out/$name.log"; then
                mv "$out/$name.part" "$out/$name.so"
                rm -f "$out/$name.skipped" "$out/$name.log"
        else
                skip "$name" "it does not compile: $(grep -m 1 error "$out/$name.log" || :)"
        fi
}

# fetch PACKAGE PIP-OPTION…: downloads and unpacks into $out/PACKAGE/, once; its version to stdout.
fetch() {
        package=$1 folder=$out/$1
        shift
        if [ ! -e "$folder/version" ]; then
                rm -rf "$folder"
                mkdir -p "$folder"
                $PYTHON -m pip --disable-pip-version-check download -q --no-deps -d "$folder" \
                        "$@" "$package" > "$folder/pip.log" 2>&1 || return 1
                file=$(find "$folder" -name '*.tar.gz' -o -name '*.whl')
                case "$file" in
                *.tar.gz) tar -xzf "$file" -C "$folder" --strip-components=1 || return 1 ;;
                *.whl) $PYTHON -m zipfile -e "$file" "$folder" || return 1 ;;
                *) return 1 ;;
                esac
                basename "$file" | sed 's/^[^-]*-\([0-9][0-9.]*[0-9]\)[.-].*/\1/' > "$folder/version"
        fi
        cat "$folder/version"
}

peer_hnswlib() {
        [ -e /usr/include/hnswlib/hnswlib.h ] ||
                { skip hnswlib "libhnswlib-dev is not installed"; return; }
        version=$(dpkg-query -W -f '${Version}' libhnswlib-dev 2>/dev/null || echo installed)
        build hnswlib peer_hnswlib.cc "$version of Debian, -O3 -march=native"
}

peer_hnswlib_new() {
        version=$(fetch hnswlib --no-binary hnswlib) ||
                { skip hnswlib-new "pip does not get the sources of hnswlib"; return; }
        build hnswlib-new peer_hnswlib.cc "$version, -O3 -march=native" -I"$out/hnswlib"
}

# Its loops, made into vector instructions by the compiler, are faster here than those of the
# library of kernels that it can be built with.
peer_usearch() {
        version=$(fetch usearch --no-binary usearch) ||
                { skip usearch "pip does not get the sources of usearch"; return; }
        build usearch peer_usearch.cc "$version, f32, -O3 -march=native" \
                -I"$out/usearch/include" -ffast-math -fopenmp-simd -DUSEARCH_USE_NUMKONG=0 -DUSEARCH_USE_OPENMP=0
}

# The library as its package brings it; it chooses its kernels by the machine.
peer_faiss() {
        version=$(fetch faiss-cpu --only-binary :all:) ||
                { skip faiss "pip does not get the package faiss-cpu"; return; }
        libs=$out/faiss-cpu/faiss_cpu.libs
        openmp=$(find "$libs" -name 'libgomp*' 2>/dev/null | head -n 1)
        [ -n "$openmp" ] && [ -e "$out/faiss-cpu/faiss/libfaiss.so" ] ||
                { skip faiss "the package faiss-cpu $version holds no libfaiss.so"; return; }
        build faiss peer_faiss.cc "$version, HNSW, 8-bit codes, 2k refined" \
                "$out/faiss-cpu/faiss/libfaiss.so" "$openmp" \
                "-Wl,-rpath,$out/faiss-cpu/faiss:$libs"
}

peer_pyglass() {
        skip pyglass "no package index has it"
}

for peer in hnswlib hnswlib-new usearch faiss pyglass; do
        source=$here/peer_${peer%-new}.cc
        [ "$out/$peer.so" -nt "$here/adapter.h" ] && [ "$out/$peer.so" -nt "$source" ] ||
                "peer_$(echo "$peer" | tr - _)"
done
