# Builds for 64-bit Arm on another machine, with Debian's g++-aarch64-linux-gnu, and lets ctest run the
# tests in Debian's qemu-user: cmake --toolchain cmake/aarch64-linux-gnu.cmake. OpenVINO_DIR must name
# an OpenVINO for Arm. What CPU is emulated, QEMU_CPU in the environment says: the most that qemu has,
# if it is not set.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
