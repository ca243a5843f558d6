# Compiles through ccache where it is installed and no other launcher was asked for.
find_program(LTP_CCACHE ccache)
if(LTP_CCACHE)
  foreach(language CXX CUDA)
    if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${LTP_CCACHE})
    endif()
  endforeach()
endif()
