# LTP_SANITIZE, and what is compiled differently for it. Sanitized programs are for tests: -O1 keeps the instructions that
# they prove and takes a fraction of the time to compile, and so do checks of addresses that are calls.
set(LTP_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined or thread")

if(LTP_SANITIZE)
  add_compile_options(-fsanitize=${LTP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  if(LTP_SANITIZE MATCHES address AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_compile_options(--param asan-instrumentation-with-call-threshold=0)
  endif()
  add_link_options(-fsanitize=${LTP_SANITIZE})
endif()
