# What a change waits for. Each target builds the tests that its command runs, and nothing else:
#   ltp_quick_tests  ctest --label-regex quick    seconds
#   ltp_tests        ctest --label-exclude full   and all else that guards an answer or a crash
#   ltp_full_tests   ctest                        and planted faults, which tests must find
if(TARGET ltp_tests)
  return()
endif()
add_custom_target(ltp_quick_tests)
add_custom_target(ltp_tests)
add_custom_target(ltp_full_tests)
add_dependencies(ltp_tests ltp_quick_tests)
add_dependencies(ltp_full_tests ltp_tests)

# ltp_add_test(<name> <executable> [quick | full] [ARGUMENTS ...] [ENVIRONMENT ...])
function(ltp_add_test name executable)
  cmake_parse_arguments(arg "quick;full" "" "ARGUMENTS;ENVIRONMENT" ${ARGN})
  add_test(NAME ${name} COMMAND ${executable} ${arg_ARGUMENTS})
  set(label)
  if(arg_quick)
    set(label quick)
  elseif(arg_full)
    set(label full)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${label}" ENVIRONMENT "${arg_ENVIRONMENT}")
  if(label)
    add_dependencies(ltp_${label}_tests ${executable})
  else()
    add_dependencies(ltp_tests ${executable})
  endif()
endfunction()

# ltp_test_code(<target>...): code that only tests, which needs no check for undefined behaviour:
# they take a third of its time to compile. The addresses that it uses are checked.
function(ltp_test_code)
  if(LTP_SANITIZE MATCHES undefined)
    foreach(target IN LISTS ARGN)
      target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
    endforeach()
  endif()
endfunction()
