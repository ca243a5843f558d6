# ltp_find_json(): makes the target ltp_json, the headers of nlohmann/json. They are needed to build
# the C++ runtime only, and come from NLOHMANN_JSON_INCLUDE_DIR, the system (Debian:
# nlohmann-json3-dev) or the Python package nlohmann-json.
function(ltp_find_json)
  add_library(ltp_json INTERFACE)
  if(NOT NLOHMANN_JSON_INCLUDE_DIR)
    find_package(nlohmann_json 3.11 CONFIG QUIET)
    if(nlohmann_json_FOUND)
      target_link_libraries(ltp_json INTERFACE nlohmann_json::nlohmann_json)
      return()
    endif()
    find_package(Python COMPONENTS Interpreter QUIET)
    string(CONCAT folder "from importlib.util import find_spec; "
      "print(find_spec('nlohmann_json').submodule_search_locations[0])")
    execute_process(COMMAND ${Python_EXECUTABLE} -c "${folder}"
                    OUTPUT_VARIABLE package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    find_path(NLOHMANN_JSON_INCLUDE_DIR nlohmann/json.hpp HINTS "${package}/include"
              PATH_SUFFIXES nlohmann_json/include DOC "The folder above nlohmann/json.hpp")
  endif()
  if(NOT EXISTS "${NLOHMANN_JSON_INCLUDE_DIR}/nlohmann/json_fwd.hpp")
    message(FATAL_ERROR "nlohmann/json.hpp was not found, neither on the system nor in the Python "
      "that was found (${Python_EXECUTABLE}): `pip install nlohmann-json` there "
      "(-DPython_EXECUTABLE=... names another one), install nlohmann-json3-dev, or give "
      "-DNLOHMANN_JSON_INCLUDE_DIR=<the folder above nlohmann/json.hpp>")
  endif()
  target_include_directories(ltp_json SYSTEM INTERFACE "${NLOHMANN_JSON_INCLUDE_DIR}")
endfunction()
