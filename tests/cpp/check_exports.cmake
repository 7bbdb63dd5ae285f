# cmake -DNM=... -DOBJECT=... -DWANT=dcn::avx2::kernels -P check_exports.cmake
execute_process(COMMAND ${NM} -C --defined-only --extern-only ${OBJECT}
                OUTPUT_VARIABLE listing OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "[0-9a-f]+ [A-Za-z] ([^\n]*)" "\\1" symbols "${listing}")
if(NOT symbols STREQUAL WANT)
  message(FATAL_ERROR "${OBJECT} exports:\n${symbols}\nwant only ${WANT}")
endif()
