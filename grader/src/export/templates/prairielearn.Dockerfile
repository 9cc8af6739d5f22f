# The image of an external grader: docker build --tag NAME . && docker push NAME, then NAME goes into info.json.
FROM debian:12
COPY install.sh kit.tar.gz /tmp/package/
RUN bash /tmp/package/install.sh /opt/kit && rm -rf /tmp/package /var/lib/apt/lists/*
COPY entrypoint.sh /opt/entrypoint.sh
ENTRYPOINT ["/opt/entrypoint.sh"]
