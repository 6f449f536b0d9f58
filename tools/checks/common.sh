# common.sh - counting of checks; read by the scripts beside it, which run in the package's root.
#
# No pipe ends in what stops reading early, such as grep -q and head: what writes to it may be ended by SIGPIPE or not, and with
# pipefail that decides.

passed=0 failed=0

# check NAME COMMAND...: one line for a check that holds, and what the command said for one that does not.
check() {
  local name=$1 said held
  shift
  set +e # a condition would take errexit from the command
  said=$(
    set -e
    "$@" 2>&1
  )
  held=$?
  set -e
  if [[ $held -eq 0 ]]; then
    passed=$((passed + 1))
    printf 'ok      %s\n' "$name"
  else
    failed=$((failed + 1))
    printf 'FAILED  %s\n%s\n' "$name" "${said:-(no output)}"
  fi
}

finish() {
  echo "$passed passed, $failed failed"
  [[ $failed -eq 0 ]]
}

# The compiler and the emulator of a target; the processor is the emulator's business.
compiler() {
  case $1 in
    x86_64) echo gcc ;;
    aarch64) echo aarch64-linux-gnu-gcc ;;
    armv7) echo arm-linux-gnueabihf-gcc ;;
  esac
}

# PLATFORM: what each is run on. `native` is this machine.
platforms=(native qemu64 cortex-a53 cortex-a76 armv8-max cortex-a15)
target_of() {
  case $1 in
    native | qemu64) echo x86_64 ;;
    cortex-a53 | cortex-a76 | armv8-max) echo aarch64 ;;
    cortex-a15) echo armv7 ;;
  esac
}

# on PLATFORM COMMAND...
on() {
  local platform=$1
  shift
  case $platform in
    native) "$@" ;;
    qemu64) qemu-x86_64-static -cpu qemu64 "$@" ;;
    armv8-max) qemu-aarch64-static -cpu max "$@" ;;
    cortex-a15) qemu-arm-static -cpu cortex-a15 "$@" ;;
    *) qemu-aarch64-static -cpu "$platform" "$@" ;;
  esac
}
