void keylog_file_line(void *arg, const char *line); void keylog_file_line(void *arg, const char *line) { (void)arg; (void)line; }
