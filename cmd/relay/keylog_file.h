struct keylog_file; void keylog_file_line(void *arg, const char *line);
