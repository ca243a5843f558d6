# LTP_SANITIZE. Sanitized programs are for tests, and -O1 compiles them in a fraction of the time
# that more takes.
set(LTP_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined or thread")

if(LTP_SANITIZE)
  add_compile_options(-fsanitize=${LTP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${LTP_SANITIZE})
endif()
