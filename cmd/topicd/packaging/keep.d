/etc/topicd/
