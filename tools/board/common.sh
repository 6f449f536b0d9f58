# common.sh - what the emulated boards have in common; read by the scripts beside it, which run in the package's root.

# Debian's kernel and busybox for a target, unpacked once.
unpack() { # ARCHITECTURE KERNEL
  board=.build-sysroot/board-$1
  [[ ! -e $board/complete ]] || return 0
  local kernel package
  rm -rf "$board"
  mkdir -p "$board/packages"
  kernel=$(apt-cache depends "$2:$1" | awk '$1 == "Depends:" && !found++ { print $2 }')
  (cd "$board/packages" && apt-get download -qq "$kernel" "busybox-static:$1" 2>/dev/null)
  for package in "$board"/packages/*.deb; do dpkg-deb -x "$package" "$board"; done
  /sbin/depmod -b "$board" "$(ls "$board/lib/modules")"
  touch "$board/complete"
}

# The part of an answer that is computed.
computed() {
  sed -E 's/^\{"frame":[0-9]+,"source":"[^"]*",//; s/,"(latency|capture|preprocess|inference)_ms":[^,}]*//g'
}
